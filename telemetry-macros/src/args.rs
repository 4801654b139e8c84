//! The arguments of an attribute: `key = expression`, or a flag, each once; all mistakes are reported together.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Expr, Ident, LitStr, Token, parse_quote};

/// What an attribute was given, after the check against the keys it knows.
pub struct Args {
    given: Vec<(Ident, Expr)>,
    /// Where a mistake about an absent argument points.
    pub site: Span,
    pub errors: Errors,
}

/// Mistakes collected over one item, so that one compile shows them all.
#[derive(Default)]
pub struct Errors(Option<syn::Error>);

impl Errors {
    pub fn push(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            None => self.0 = Some(error),
        }
    }

    pub fn into_tokens(self) -> TokenStream {
        self.0.map(syn::Error::into_compile_error).unwrap_or_default()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

struct Arg {
    key: Ident,
    value: Expr,
}

/// The arguments that stand alone.
const FLAGS: [&str; 2] = ["exemplars", "on_demand"];

impl Parse for Arg {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        if let Ok(text) = input.fork().parse::<LitStr>() {
            let text = text.to_token_stream();
            return Err(syn::Error::new_spanned(&text, format!("an argument has a key: write `name = {text}`")));
        }
        let key = input.call(Ident::parse_any)?;
        let valued = input.parse::<Option<Token![=]>>()?.is_some();
        if FLAGS.contains(&key.to_string().as_str()) {
            return if valued {
                Err(syn::Error::new(key.span(), format!("`{key}` takes no value: write `{key}` alone")))
            } else {
                Ok(Self { value: parse_quote!(true), key })
            };
        }
        if !valued || input.is_empty() || input.peek(Token![,]) {
            return Err(syn::Error::new(key.span(), format!("`{key}` wants a value: write `{key} = …`")));
        }
        Ok(Self { key, value: input.parse()? })
    }
}

/// All arguments, of which those that are none are left out.
fn all(input: ParseStream, errors: &mut Errors) -> syn::Result<Vec<Arg>> {
    let mut found = Vec::new();
    while !input.is_empty() {
        match input.parse() {
            Ok(arg) => {
                found.push(arg);
                if !input.is_empty() && !input.peek(Token![,]) {
                    errors.push(input.error("a comma is missing before this"));
                    if input.peek(Ident::peek_any) && input.peek2(Token![=]) {
                        continue;
                    }
                }
            }
            Err(error) => errors.push(error),
        }
        while !input.is_empty() && !input.peek(Token![,]) {
            input.parse::<TokenTree>()?;
        }
        input.parse::<Option<Token![,]>>()?;
    }
    Ok(found)
}

impl Args {
    /// Parses the tokens between the parentheses of `#[macro_name(…)]`.
    pub fn parse(macro_name: &str, tokens: TokenStream, known: &[&str]) -> Self {
        let mut errors = Errors::default();
        let mut given: Vec<(Ident, Expr)> = Vec::new();
        let parsed = Parser::parse2(|input: ParseStream| all(input, &mut errors), tokens);
        for Arg { key, value } in parsed.unwrap_or_default() {
            let name = key.to_string();
            if !known.contains(&name.as_str()) {
                errors.push(syn::Error::new(key.span(), unknown(macro_name, &name, known)));
            } else if given.iter().any(|(earlier, _)| *earlier == key) {
                errors.push(syn::Error::new(key.span(), format!("`{name}` is given twice")));
            } else {
                given.push((key, value));
            }
        }
        Self { given, site: Span::call_site(), errors }
    }

    pub fn get(&self, key: &str) -> Option<&Expr> {
        self.given.iter().find(|(given, _)| given == key).map(|(_, value)| value)
    }

    /// The key of an argument that was given.
    pub fn key(&self, key: &str) -> Option<&Ident> {
        self.given.iter().find(|(given, _)| given == key).map(|(given, _)| given)
    }

    /// Whether the argument was given; a mistake where it was not, and nothing else is wrong that could be it.
    pub fn required(&mut self, key: &str, example: &str) -> bool {
        let given = self.get(key).is_some();
        if !given && self.errors.is_empty() {
            self.errors.push(syn::Error::new(self.site, format!("`{key}` is missing: write `{key} = {example}`")));
        }
        given
    }
}

pub fn unknown(macro_name: &str, name: &str, known: &[&str]) -> String {
    let allowed = match known {
        [] => format!("#[{macro_name}] takes no arguments"),
        _ => format!("#[{macro_name}] knows {}", known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")),
    };
    let meant = match name {
        "access" if ["metric", "collector"].contains(&macro_name) => {
            "all metrics are read together: the program restricts their stream, by its name \"metrics\""
        }
        "on_demand" => "an event alone is emitted on demand",
        "description" | "help" | "doc" => "the doc comment above the item is the description",
        "labels" | "label" | "tags" | "attributes" => "labels are in the type: `Counter<Call>`, where `Call` derives `Labels`",
        _ => "",
    };
    if !meant.is_empty() {
        return format!("unknown argument `{name}`: {meant}");
    }
    match did_you_mean(name, known) {
        Some(key) => format!("unknown argument `{name}`, did you mean `{key}`? {allowed}"),
        None => format!("unknown argument `{name}`: {allowed}"),
    }
}

/// The known word that is at most two edits away.
pub fn did_you_mean<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let (changes, key) = known.iter().map(|key| (distance(name, key), *key)).min()?;
    (changes <= 2).then_some(key)
}

/// The Levenshtein distance, by the two-row method.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    fn messages(tokens: TokenStream) -> Vec<String> {
        let args = Args::parse("metric", tokens, &["name", "unit", "kind"]);
        args.errors.0.map(|all| all.into_iter().map(|error| error.to_string()).collect()).unwrap_or_default()
    }

    #[test]
    fn all_mistakes_of_an_attribute_are_reported_together() {
        let found = messages(quote!(nmae = "a", unit = "s", unit = "ms", colour = 3));
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("did you mean `name`"), "{found:?}");
        assert!(found[1].contains("`unit` is given twice"), "{found:?}");
        assert!(found[2].contains("unknown argument `colour`: #[metric] knows"), "{found:?}");
    }

    #[test]
    fn a_key_without_a_value_is_told_to_have_one() {
        assert_eq!(messages(quote!(name)), ["`name` wants a value: write `name = …`"]);
        assert_eq!(messages(quote!("requests")), ["an argument has a key: write `name = \"requests\"`"]);
    }

    #[test]
    fn a_flag_stands_alone() {
        let args = Args::parse("metric", quote!(exemplars, name = "a"), &["name", "exemplars"]);
        assert!(args.errors.is_empty() && args.get("exemplars").is_some());
        assert_eq!(messages(quote!(exemplars = true)), ["`exemplars` takes no value: write `exemplars` alone"]);
    }

    #[test]
    fn distance_counts_single_edits() {
        assert_eq!(distance("unit", "unit"), 0);
        assert_eq!(distance("units", "unit"), 1);
        assert_eq!(distance("nmae", "name"), 2);
    }
}
