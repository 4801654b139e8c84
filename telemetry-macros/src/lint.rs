//! What is allowed and yet not good: a declaration without a description, a name that says what others add to it, a unit that is a word.
//!
//! Off by default: telemetry-core's feature `lints` turns these warnings on, and `#[allow(deprecated)]` at an item off again, since the
//! only warning of its own that a macro can give is that of something deprecated. Not here: mistakes (`name`, `args`).

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Attribute;

/// Units as they are spelt at the end of names, and what they are in UCUM.
const SPELT: &[(&str, &str)] = &[
    ("seconds", "s"),
    ("secs", "s"),
    ("sec", "s"),
    ("milliseconds", "ms"),
    ("millis", "ms"),
    ("ms", "ms"),
    ("microseconds", "us"),
    ("micros", "us"),
    ("us", "us"),
    ("nanoseconds", "ns"),
    ("nanos", "ns"),
    ("ns", "ns"),
    ("minutes", "min"),
    ("hours", "h"),
    ("days", "d"),
    ("bytes", "By"),
    ("kib", "KiBy"),
    ("mib", "MiBy"),
    ("bits", "bit"),
    ("percent", "%"),
    ("ratio", "1"),
];

/// A warning, and where.
pub type Warning = (Span, String);

/// Of a declaration without a doc comment; `site` is the name of its item.
pub fn description(site: &syn::Ident, described: bool) -> Option<Warning> {
    let text = || format!("`{site}` has no doc comment, which is the description that people read: write `/// …` above it");
    (!described).then(|| (site.span(), text()))
}

/// Of the name of a metric; `counter` where it is known to be one.
pub fn name(name: &str, counter: bool, span: Span) -> Option<Warning> {
    let last = name.rsplit(['_', '.', '/', '-']).next().filter(|last| last.len() < name.len())?.to_ascii_lowercase();
    if last == "total" && counter {
        let text = "the name ends in `total`, which Prometheus' names of counters get by themselves: leave it out";
        return Some((span, text.to_owned()));
    }
    let (_, unit) = SPELT.iter().find(|(spelt, _)| *spelt == last)?;
    let text = format!(
        "the name ends in its unit, `{last}`: write `unit = \"{unit}\"` and leave it out; Prometheus' names get it by themselves"
    );
    Some((span, text))
}

/// Of a unit that is spelt as people say it, and not as UCUM has it.
pub fn unit(unit: &str, span: Span) -> Option<Warning> {
    let spelt = unit.to_ascii_lowercase();
    let known = SPELT.iter().find(|(word, ucum)| *word == spelt && *ucum != unit).map(|(_, ucum)| (*ucum).to_owned());
    // No unit of UCUM in use has more letters; a word is an annotation.
    let word = unit.len() > 4 && unit.bytes().all(|byte| byte.is_ascii_lowercase());
    let wanted = known.or_else(|| word.then(|| format!("{{{unit}}}")))?;
    Some((span, format!("the unit `{unit}` is none of UCUM: write `unit = \"{wanted}\"`")))
}

/// What makes the compiler say them, with the `cfg` and `allow` attributes of the item; nothing without the feature.
pub fn told(warnings: impl IntoIterator<Item = Warning>, attrs: &[Attribute]) -> TokenStream {
    if !cfg!(feature = "lints") {
        return quote!();
    }
    let kept = attrs.iter().filter(|attr| attr.path().is_ident("cfg") || attr.path().is_ident("allow"));
    let warnings = warnings.into_iter().map(|(span, text)| {
        let used = quote_spanned!(span.resolved_at(Span::call_site())=> telemetry);
        quote! {{
            #[deprecated(note = #text)]
            #[allow(non_upper_case_globals)]
            const telemetry: () = ();
            #used
        }}
    });
    quote! {
        #(#kept)*
        const _: () = { #(#warnings;)* };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_say_what_prometheus_adds_are_warned_of() {
        let warned = |text: &str| name(text, true, Span::call_site()).map(|(_, text)| text);
        for good in ["requests", "total", "http.server.duration", "bytes", "network_total_in", "statuses", "queue_days_off"] {
            assert_eq!(warned(good), None, "{good}");
        }
        assert!(name("memory_total", false, Span::call_site()).is_none(), "a gauge keeps it");
        assert!(warned("requests_total").is_some_and(|text| text.starts_with("the name ends in `total`")));
        for (bad, unit) in [("wait_seconds", "s"), ("http.server.duration.ms", "ms"), ("size_Bytes", "By"), ("cpu-percent", "%")] {
            let wanted = format!("write `unit = \"{unit}\"`");
            assert!(warned(bad).is_some_and(|text| text.contains(&wanted)), "{bad}");
        }
    }

    #[test]
    fn units_that_are_words_are_warned_of() {
        let warned = |text: &str| unit(text, Span::call_site()).map(|(_, text)| text);
        for good in ["s", "ms", "By", "{request}", "1", "%", "By/s", "min", "bit", "Cel"] {
            assert_eq!(warned(good), None, "{good}");
        }
        for (bad, wanted) in [("seconds", "s"), ("Bytes", "By"), ("requests", "{requests}"), ("sec", "s")] {
            assert!(warned(bad).is_some_and(|text| text.ends_with(&format!("write `unit = \"{wanted}\"`"))), "{bad}");
        }
    }

    #[test]
    fn what_has_no_description_is_warned_of() {
        let site = syn::Ident::new("CALLS", Span::call_site());
        assert!(description(&site, true).is_none());
        assert!(description(&site, false).is_some_and(|(_, text)| text.starts_with("`CALLS` has no doc comment")));
    }
}
