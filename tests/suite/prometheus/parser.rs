//! A strict reader of both text formats, written from their documents and not from the writer.

use std::collections::{BTreeMap, BTreeSet, HashSet};

/// What an exposition says.
#[derive(Debug, Default)]
pub struct Parsed {
    pub families: Vec<Family>,
}

#[derive(Debug, Default)]
pub struct Family {
    pub name: String,
    pub kind: String,
    pub unit: String,
    pub help: String,
    pub samples: Vec<Sample>,
}

#[derive(Clone, Debug)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
    pub exemplar: Option<BTreeMap<String, String>>,
}

type Result<T> = std::result::Result<T, String>;

/// The samples of text 0.0.4 or, with quoted names, 1.0.0.
pub fn text(text: &str, quoted: bool) -> Result<Parsed> {
    let mut parsed = Parsed::default();
    for line in lines(text)? {
        parsed.line(line, quoted, false).map_err(|error| format!("{error}: {line}"))?;
    }
    parsed.check(false)?;
    Ok(parsed)
}

/// The samples of OpenMetrics 1.0.
pub fn openmetrics(text: &str, quoted: bool) -> Result<Parsed> {
    let text = text.strip_suffix("# EOF\n").ok_or("no # EOF at the end")?;
    let mut parsed = Parsed::default();
    for line in lines(text)? {
        parsed.line(line, quoted, true).map_err(|error| format!("{error}: {line}"))?;
    }
    parsed.check(true)?;
    Ok(parsed)
}

fn lines(text: &str) -> Result<impl Iterator<Item = &str>> {
    if !text.is_empty() && !text.ends_with('\n') {
        return Err("the last line has no end".to_owned());
    }
    Ok(text.split_terminator('\n'))
}

impl Parsed {
    fn line(&mut self, line: &str, quoted: bool, openmetrics: bool) -> Result<()> {
        let Some(comment) = line.strip_prefix("# ") else {
            let mut cursor = Cursor { rest: line, quoted };
            let sample = cursor.sample(openmetrics)?;
            self.families.last_mut().ok_or("a sample before any family")?.samples.push(sample);
            return Ok(());
        };
        let (word, rest) = comment.split_once(' ').ok_or("a comment of one word")?;
        let mut cursor = Cursor { rest, quoted };
        let name = cursor.metric_name()?;
        let said = cursor.rest.strip_prefix(' ').ok_or("nothing after the name")?.to_owned();
        let first = if openmetrics { "TYPE" } else { "HELP" };
        if word == first {
            if self.families.iter().any(|family| family.name == name) {
                return Err("the family is there twice".to_owned());
            }
            self.families.push(Family { name: name.clone(), ..Family::default() });
        }
        let family = self.families.last_mut().filter(|family| family.name == name).ok_or("of another family")?;
        if !family.samples.is_empty() {
            return Err("a comment after samples".to_owned());
        }
        let field = match word {
            "TYPE" => &mut family.kind,
            "UNIT" if openmetrics => &mut family.unit,
            "HELP" => &mut family.help,
            _ => return Err(format!("# {word} is unknown")),
        };
        if !field.is_empty() {
            return Err(format!("two # {word}"));
        }
        *field = if word == "HELP" { unescape(&said, openmetrics)? } else { said };
        Ok(())
    }

    fn check(&self, openmetrics: bool) -> Result<()> {
        let (mut series, mut owners) = (HashSet::new(), BTreeMap::new());
        for family in &self.families {
            family.check(openmetrics).map_err(|error| format!("{error}: {family:?}"))?;
            for sample in &family.samples {
                if !series.insert((sample.name.clone(), sample.labels.clone())) {
                    return Err(format!("a series is there twice: {sample:?}"));
                }
                if *owners.entry(&sample.name).or_insert(&family.name) != &family.name {
                    return Err(format!("two families have samples called {}", sample.name));
                }
            }
        }
        Ok(())
    }
}

impl Family {
    fn check(&self, openmetrics: bool) -> Result<()> {
        let parts: &[&str] = match (self.kind.as_str(), openmetrics) {
            ("counter", true) => &["_total", "_created"],
            ("counter" | "gauge", _) | ("unknown", true) => &[""],
            ("info", true) => &["_info"],
            ("histogram", false) => &["_bucket", "_sum", "_count"],
            ("histogram", true) => &["_bucket", "_sum", "_count", "_created"],
            ("summary", false) => &["", "_sum", "_count"],
            ("summary", true) => &["", "_sum", "_count", "_created"],
            _ => return Err("of no type".to_owned()),
        };
        if !self.unit.is_empty() && !self.name.ends_with(&format!("_{}", self.unit)) {
            return Err("the name does not end with the unit".to_owned());
        }
        for sample in &self.samples {
            let part = sample.name.strip_prefix(&self.name).filter(|part| parts.contains(part)).ok_or("not of the family")?;
            if sample.labels.contains_key("le") != (part == "_bucket") && self.kind == "histogram" {
                return Err("le is for buckets".to_owned());
            }
            if openmetrics && self.kind == "counter" && (sample.value < 0.0 || sample.value.is_nan()) {
                return Err("a counter below zero".to_owned());
            }
            if sample.exemplar.is_some() && !(openmetrics && matches!(part, "_total" | "_bucket")) {
                return Err("an exemplar where none may be".to_owned());
            }
        }
        if self.kind == "histogram" { self.check_histograms(openmetrics) } else { self.check_contiguous() }
    }

    /// Samples of one label set stand together.
    fn check_contiguous(&self) -> Result<()> {
        let mut seen = BTreeSet::new();
        let mut last = None;
        for sample in &self.samples {
            let mut labels = sample.labels.clone();
            if self.kind == "summary" {
                labels.remove("quantile");
            }
            if last.as_ref() != Some(&labels) && !seen.insert(labels.clone()) {
                return Err("samples of one series are apart".to_owned());
            }
            last = Some(labels);
        }
        Ok(())
    }

    fn check_histograms(&self, openmetrics: bool) -> Result<()> {
        let mut all: BTreeMap<BTreeMap<String, String>, Vec<&Sample>> = BTreeMap::new();
        for sample in &self.samples {
            let mut labels = sample.labels.clone();
            labels.remove("le");
            all.entry(labels).or_default().push(sample);
        }
        for samples in all.into_values() {
            let part = |part: &str| samples.iter().find(|sample| sample.name == format!("{}{part}", self.name));
            let buckets: Vec<_> =
                samples.iter().filter_map(|sample| Some((number(sample.labels.get("le")?), sample.value))).collect();
            let mut bounds = Vec::new();
            for (bound, count) in buckets {
                bounds.push((bound?, count));
            }
            if !bounds.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1) {
                return Err(format!("buckets do not ascend: {bounds:?}"));
            }
            let (last, total) = *bounds.last().ok_or("no buckets")?;
            if last != f64::INFINITY {
                return Err("no bucket up to +Inf".to_owned());
            }
            if part("_count").is_some_and(|count| count.value != total) {
                return Err("the count is not that of the last bucket".to_owned());
            }
            let sum = part("_sum");
            if sum.is_some() && bounds[0].0 < 0.0 {
                return Err("a sum that may fall".to_owned());
            }
            if openmetrics && sum.is_some() != part("_count").is_some() {
                return Err("a count and no sum, or a sum and no count".to_owned());
            }
            if openmetrics && sum.is_some_and(|sum| sum.value < 0.0 || sum.value.is_nan()) {
                return Err("a sum below zero".to_owned());
            }
        }
        Ok(())
    }
}

struct Cursor<'a> {
    rest: &'a str,
    quoted: bool,
}

impl Cursor<'_> {
    fn sample(&mut self, openmetrics: bool) -> Result<Sample> {
        let mut name = String::new();
        if !self.rest.starts_with('{') {
            name = self.metric_name()?;
        }
        let mut labels = BTreeMap::new();
        if self.rest.starts_with('{') {
            labels = self.labels(&mut name)?;
        }
        if name.is_empty() {
            return Err("a sample without a name".to_owned());
        }
        self.take(' ')?;
        let end = self.rest.find(' ').unwrap_or(self.rest.len());
        let value = number(&self.rest[..end])?;
        self.rest = &self.rest[end..];
        let mut exemplar = None;
        if openmetrics && let Some(rest) = self.rest.strip_prefix(" # ") {
            self.rest = rest;
            let mut none = "no name is wanted".to_owned();
            let found = self.labels(&mut none)?;
            let letters: usize = found.iter().map(|(name, value)| name.chars().count() + value.chars().count()).sum();
            if letters > 128 {
                return Err(format!("an exemplar of {letters} letters"));
            }
            exemplar = Some(found);
            self.take(' ')?;
            let numbers = self.rest.split(' ').map(number).collect::<Result<Vec<_>>>()?;
            if numbers.len() > 2 {
                return Err("more than a value and a time".to_owned());
            }
            self.rest = "";
        }
        if self.rest.is_empty() { Ok(Sample { name, labels, value, exemplar }) } else { Err(format!("{:?} is left", self.rest)) }
    }

    fn labels(&mut self, name: &mut String) -> Result<BTreeMap<String, String>> {
        let mut labels = BTreeMap::new();
        self.take('{')?;
        let mut first = true;
        while !self.rest.starts_with('}') {
            if !first {
                self.take(',')?;
            }
            let key = if self.rest.starts_with('"') { self.quoted_name()? } else { self.plain("") };
            if self.rest.starts_with('=') {
                self.take('=')?;
                let value = self.quoted()?;
                if key.is_empty() || key == "__name__" || labels.insert(key.clone(), value).is_some() {
                    return Err(format!("the label {key:?} may not be there, or not again"));
                }
            } else if first && name.is_empty() && !key.is_empty() {
                *name = key;
            } else {
                return Err("a label without a value".to_owned());
            }
            first = false;
        }
        self.take('}')?;
        Ok(labels)
    }

    fn metric_name(&mut self) -> Result<String> {
        let name = if self.rest.starts_with('"') { self.quoted_name()? } else { self.plain(":") };
        if name.is_empty() { Err("no name".to_owned()) } else { Ok(name) }
    }

    fn quoted_name(&mut self) -> Result<String> {
        if self.quoted { self.quoted() } else { Err("a quoted name".to_owned()) }
    }

    fn plain(&mut self, more: &str) -> String {
        let legal = |(at, letter): &(usize, char)| {
            letter.is_ascii_alphabetic() || *letter == '_' || more.contains(*letter) || letter.is_ascii_digit() && *at > 0
        };
        let end = self.rest.char_indices().take_while(legal).count();
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        name.to_owned()
    }

    fn quoted(&mut self) -> Result<String> {
        self.take('"')?;
        let mut escaped = false;
        let end = self.rest.find(|letter| {
            let ends = letter == '"' && !escaped;
            escaped = letter == '\\' && !escaped;
            ends
        });
        let (inside, rest) = self.rest.split_at(end.ok_or("quotes are open")?);
        self.rest = &rest[1..];
        unescape(inside, true)
    }

    fn take(&mut self, wanted: char) -> Result<()> {
        self.rest = self.rest.strip_prefix(wanted).ok_or_else(|| format!("{wanted:?} is wanted before {:?}", self.rest))?;
        Ok(())
    }
}

fn unescape(text: &str, quotes: bool) -> Result<String> {
    let mut out = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, if letter == '\\' { letters.next() } else { None }) {
            ('\\', Some('n')) => out.push('\n'),
            ('\\', Some('\\')) => out.push('\\'),
            ('\\', Some('"')) if quotes => out.push('"'),
            ('\\', next) => return Err(format!("{next:?} is escaped")),
            (letter, _) => out.push(letter),
        }
    }
    Ok(out)
}

fn number(text: impl AsRef<str>) -> Result<f64> {
    let text = text.as_ref();
    let words = ["NaN", "+Inf", "-Inf"];
    let digits = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.e".contains(&byte));
    if text.is_empty() || !(digits || words.contains(&text)) {
        return Err(format!("{text:?} is no number"));
    }
    text.parse().map_err(|_| format!("{text:?} is no number"))
}
