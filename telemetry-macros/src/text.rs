//! The arguments that are text or numbers: literals, which are judged here, and const expressions, which the compiler judges.

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Expr, ExprLit, ExprUnary, Lit, LitStr, UnOp};

use crate::args::Args;
use crate::caret;
use crate::name::{self, Fault};
use crate::write::ACCESS;

/// A text, known here or to the compiler alone.
#[derive(Clone)]
pub enum Text {
    Literal(LitStr),
    /// The const that the checks make of it, and what was written.
    Const(Ident, TokenStream),
}

impl Text {
    /// What it says, where it is known here.
    pub fn value(&self) -> Option<String> {
        match self {
            Self::Literal(literal) => Some(literal.value()),
            Self::Const(..) => None,
        }
    }
}

impl ToTokens for Text {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Literal(literal) => literal.to_tokens(tokens),
            Self::Const(ident, _) => ident.to_tokens(tokens),
        }
    }
}

/// The text of an argument that was given. Another literal is a mistake.
pub fn text(args: &mut Args, key: &str) -> Option<Text> {
    match bare(args.get(key)?.clone()) {
        Expr::Lit(ExprLit { lit: Lit::Str(literal), .. }) => Some(Text::Literal(literal)),
        Expr::Lit(other) => {
            args.errors.push(syn::Error::new_spanned(other, format!("`{key}` is a text: write `{key} = \"…\"`")));
            None
        }
        other => Some(Text::Const(
            format_ident!("__TELEMETRY_{}", key.to_uppercase(), span = Span::call_site()),
            other.to_token_stream(),
        )),
    }
}

/// The access that was given, one of [`ACCESS`]; empty where there is none.
pub fn access(args: &mut Args) -> &'static str {
    let [public, restricted, disabled] = ACCESS;
    let wanted = format!("wanted \"{public}\", \"{restricted}\" or \"{disabled}\"");
    let error = match args.get("access").cloned().map(bare) {
        None => return "",
        Some(Expr::Lit(ExprLit { lit: Lit::Str(said), .. })) => match ACCESS.into_iter().find(|word| *word == said.value()) {
            Some(word) => return word,
            None => syn::Error::new(said.span(), format!("unknown access \"{}\": {wanted}", said.value())),
        },
        Some(other) => syn::Error::new_spanned(other, format!("`access` is a literal: {wanted}")),
    };
    args.errors.push(error);
    ""
}

/// A rule of [`name`], and the function of the same rule that the compiler calls.
type Rule = (fn(&str) -> Result<(), Fault>, &'static str);

pub const NAME: Rule = (name::name, "check_name");
pub const UNIT: Rule = (name::unit, "check_unit");

/// Judges a text; what comes back are the checks that are left to the compiler.
pub fn judged(args: &mut Args, text: &Text, (rule, function): Rule) -> TokenStream {
    match text {
        Text::Literal(literal) => {
            if let Err(fault) = rule(&literal.value()) {
                args.errors.push(syn::Error::new_spanned(literal, fault));
            }
            quote!()
        }
        Text::Const(ident, expr) => left_to_the_compiler(function, ident, expr),
    }
}

/// The const of a text, and its check.
fn left_to_the_compiler(function: &str, ident: &Ident, expr: &TokenStream) -> TokenStream {
    let check = caret::check(function, ident, expr);
    quote!(const #ident: &'static ::telemetry_core::__private::str = #expr; #check)
}

/// The interval of an argument in milliseconds, and as an expression, with the checks that are left to the compiler; a minute where
/// it is absent.
pub fn interval(args: &mut Args, key: &str) -> (Option<u64>, TokenStream, TokenStream) {
    let Some(given) = text(args, key) else { return (Some(60_000), quote!(60_000), quote!()) };
    let literal = match &given {
        Text::Literal(literal) => literal,
        Text::Const(ident, expr) => {
            let check = left_to_the_compiler("check_interval", ident, expr);
            return (None, quote!(::telemetry_core::__private::interval_ms(#ident)), check);
        }
    };
    let interval = name::interval(&literal.value()).unwrap_or_else(|fault| {
        args.errors.push(syn::Error::new_spanned(literal, fault));
        Duration::ZERO
    });
    let ms = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX); // its rule has a limit
    (Some(ms), quote!(#ms), quote!())
}

/// The bounds of a histogram as numbers, where all are literals, and as an expression, with the check that is left to the compiler.
pub fn bounds(args: &mut Args, bounds: &Expr) -> (Option<Vec<f64>>, TokenStream, TokenStream) {
    let absent = (None, quote!(), quote!());
    let array = match bare(bounds.clone()) {
        Expr::Array(array) => array,
        Expr::Lit(other) => {
            args.errors.push(syn::Error::new_spanned(other, "`bounds` are an array of numbers: write `bounds = [0.1, 1.0]`"));
            return absent;
        }
        other => return bounds_left_to_the_compiler(&other),
    };
    let whole: Vec<_> = array.elems.iter().filter(|elem| is_whole(elem)).collect();
    if !whole.is_empty() {
        for elem in whole {
            let text = elem.to_token_stream().to_string().replace(' ', "");
            args.errors.push(syn::Error::new_spanned(elem, format!("a bound is a floating-point number: write `{text}.0`")));
        }
        return absent;
    }
    let Some(numbers) = array.elems.iter().map(number).collect::<Option<Vec<f64>>>() else {
        return bounds_left_to_the_compiler(&array);
    };
    if let Err(fault) = name::bounds(&numbers) {
        let at = faulty(&numbers).and_then(|at| array.elems.get(at));
        let at = at.map_or_else(|| array.to_token_stream(), ToTokens::to_token_stream);
        args.errors.push(syn::Error::new_spanned(at, fault));
    }
    (Some(numbers), quote!(&#array), quote!())
}

fn bounds_left_to_the_compiler(bounds: &impl ToTokens) -> (Option<Vec<f64>>, TokenStream, TokenStream) {
    let ident = Ident::new("__TELEMETRY_BOUNDS", Span::call_site());
    let check = caret::check("check_bounds", &ident, bounds);
    let reference = quote_spanned!(caret::ends(bounds).0=> &);
    let numbers = quote!(&'static [::telemetry_core::__private::f64]);
    (None, ident.to_token_stream(), quote!(const #ident: #numbers = #reference #bounds; #check))
}

/// Whether it is a number that is written without a point.
fn is_whole(expr: &Expr) -> bool {
    match bare(expr.clone()) {
        Expr::Lit(ExprLit { lit: Lit::Int(literal), .. }) => literal.suffix() != "f64",
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => is_whole(&expr),
        _ => false,
    }
}

/// The first bound that is not above the one before it.
fn faulty(numbers: &[f64]) -> Option<usize> {
    (1..=numbers.len()).find(|many| name::bounds(&numbers[..*many]).is_err()).map(|many| many - 1)
}

fn number(expr: &Expr) -> Option<f64> {
    match bare(expr.clone()) {
        Expr::Lit(ExprLit { lit: Lit::Float(literal), .. }) => literal.base10_parse().ok(),
        Expr::Lit(ExprLit { lit: Lit::Int(literal), .. }) => literal.base10_digits().parse().ok(),
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => number(&expr).map(|number| -number),
        _ => None,
    }
}

/// Without the invisible groups in which a `macro_rules!` hands expressions over.
fn bare(expr: Expr) -> Expr {
    match expr {
        Expr::Group(group) => bare(*group.expr),
        other => other,
    }
}
