//! Lines of text, as both text formats have them: comments, and samples with their labels.

use super::labels::{Labels, Set};
use super::name::is_plain;

/// The text so far.
#[derive(Default)]
pub struct Lines {
    /// The text.
    pub out: String,
    /// The labels of the sample before, which are often those of the next: the buckets of a histogram.
    written: String,
    written_of: Option<Set>,
}

impl Lines {
    /// `# WORD name ` and what follows up to the end of the line.
    pub fn comment(&mut self, word: &str, name: &str, text: &str) {
        self.out.push_str("# ");
        self.out.push_str(word);
        self.out.push(' ');
        self.metric_name(name, "");
        self.out.push(' ');
        self.out.push_str(text);
        self.out.push('\n');
    }

    /// `# HELP name ` and the text, in which quotes are escaped too where the format has it so.
    pub fn help(&mut self, name: &str, text: &str, quotes: bool) {
        self.out.push_str("# HELP ");
        self.metric_name(name, "");
        self.out.push(' ');
        self.escaped(text, quotes);
        self.out.push('\n');
    }

    /// The name and the labels of a sample, and the space before its value. A name that not every reader takes stands between the
    /// labels, in quotes.
    pub fn sample(&mut self, (name, part): (&str, &str), labels: &Labels, set: Set, extra: Option<(&str, &str)>) {
        if self.written_of != Some(set) {
            let out = std::mem::take(&mut self.out);
            self.out = std::mem::take(&mut self.written);
            self.out.clear();
            for (name, value) in labels.of(set) {
                self.out.push(',');
                self.label(name, value);
            }
            self.written = std::mem::replace(&mut self.out, out);
            self.written_of = Some(set);
        }
        let plain = is_plain(name, ":");
        if plain {
            self.out.push_str(name);
            self.out.push_str(part);
        } else {
            self.out.push('{');
            self.metric_name(name, part);
        }
        let mut separator = if plain { '{' } else { ',' };
        if let Some(written) = self.written.get(1..).filter(|written| !written.is_empty()) {
            self.out.push(separator);
            self.out.push_str(written);
            separator = ',';
        }
        if let Some((name, value)) = extra {
            self.out.push(separator);
            self.label(name, value);
            separator = ',';
        }
        if separator == ',' {
            self.out.push('}');
        }
        self.out.push(' ');
    }

    /// `name="value"`.
    pub fn label(&mut self, name: &str, value: &str) {
        if is_plain(name, "") {
            self.out.push_str(name);
        } else {
            self.quoted(name, "");
        }
        self.out.push('=');
        self.quoted(value, "");
    }

    fn metric_name(&mut self, name: &str, part: &str) {
        if is_plain(name, ":") {
            self.out.push_str(name);
            self.out.push_str(part);
        } else {
            self.quoted(name, part);
        }
    }

    fn quoted(&mut self, text: &str, part: &str) {
        self.out.push('"');
        self.escaped(text, true);
        self.out.push_str(part);
        self.out.push('"');
    }

    fn escaped(&mut self, text: &str, quotes: bool) {
        let mut rest = text;
        let special = |byte: u8| matches!(byte, b'\\' | b'\n') || byte == b'"' && quotes;
        while let Some(at) = rest.bytes().position(special) {
            self.out.push_str(&rest[..at]);
            self.out.push_str(match rest.as_bytes()[at] {
                b'\\' => "\\\\",
                b'\n' => "\\n",
                _ => "\\\"",
            });
            rest = &rest[at + 1..];
        }
        self.out.push_str(rest);
    }
}
