//! Lines of text, as both text formats have them: comments, and samples with their labels.

use super::labels::{Labels, Set};
use super::name::is_plain;

/// The text so far.
pub struct Lines {
    /// The text.
    pub out: String,
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
        let plain = is_plain(name, ":");
        if plain {
            self.out.push_str(name);
            self.out.push_str(part);
        } else {
            self.out.push('{');
            self.metric_name(name, part);
        }
        let mut separator = if plain { '{' } else { ',' };
        for (name, value) in labels.of(set).chain(extra) {
            self.out.push(separator);
            separator = ',';
            self.label(name, value);
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
        while let Some(at) = rest.find(|letter| matches!(letter, '\\' | '\n') || letter == '"' && quotes) {
            self.out.push_str(&rest[..at]);
            self.out.push_str(match &rest[at..=at] {
                "\\" => "\\\\",
                "\n" => "\\n",
                _ => "\\\"",
            });
            rest = &rest[at + 1..];
        }
        self.out.push_str(rest);
    }
}
