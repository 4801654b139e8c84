//! The arguments that are text or numbers: literals, which are judged here, and const expressions, which the compiler judges.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, ExprUnary, Lit, LitStr, UnOp};

use crate::args::Args;
use crate::name::{self, Fault};

/// A text, known here or to the compiler alone.
#[derive(Clone)]
pub enum Text {
    Literal(LitStr),
    Const(Box<Expr>),
}

impl Text {
    /// What it says, where it is known here.
    pub fn value(&self) -> Option<String> {
        match self {
            Self::Literal(literal) => Some(literal.value()),
            Self::Const(_) => None,
        }
    }
}

impl ToTokens for Text {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Literal(literal) => literal.to_tokens(tokens),
            Self::Const(expr) => expr.to_tokens(tokens),
        }
    }
}

/// The text of an argument that was given. Another literal is a mistake.
pub fn text(args: &mut Args, key: &str) -> Option<Text> {
    match bare(args.get(key)?.clone()) {
        Expr::Lit(ExprLit { lit: Lit::Str(literal), .. }) => Some(Text::Literal(literal)),
        Expr::Lit(other) => {
            args.errors.push(syn::Error::new(other.span(), format!("`{key}` is a text: write `{key} = \"…\"`")));
            None
        }
        other => Some(Text::Const(Box::new(other))),
    }
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
                args.errors.push(syn::Error::new(literal.span(), fault));
            }
            quote!()
        }
        Text::Const(expr) => check(function, expr),
    }
}

/// A call of a checking function at compile time. All of its tokens carry the span of the argument, so the caret stands there alone.
pub fn check(function: &str, argument: &impl ToTokens) -> TokenStream {
    let span = argument.span();
    let function = syn::Ident::new(function, span);
    quote_spanned!(span=> const _: () = ::telemetry_core::__private::#function(#argument);)
}

/// The interval of an argument in milliseconds, and as an expression; a minute where it is absent.
pub fn interval(args: &mut Args, key: &str) -> (Option<u64>, TokenStream) {
    let Some(given) = text(args, key) else { return (Some(60_000), quote!(60_000)) };
    match &given {
        Text::Literal(literal) => match name::interval(&literal.value()) {
            Ok(interval) => {
                let ms = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX); // its rule has a limit
                (Some(ms), quote!(#ms))
            }
            Err(fault) => {
                args.errors.push(syn::Error::new(literal.span(), fault));
                (None, quote!(60_000))
            }
        },
        Text::Const(expr) => {
            let ms = quote_spanned!(expr.span()=> ::telemetry_core::__private::interval_ms(#expr));
            (None, ms)
        }
    }
}

/// The bounds of a histogram as numbers, where all are literals.
pub fn bounds(args: &mut Args, bounds: &Expr) -> Option<Vec<f64>> {
    let Expr::Array(array) = bare(bounds.clone()) else { return None };
    let numbers: Vec<f64> = array.elems.iter().map(number).collect::<Option<_>>()?;
    if let Err(fault) = name::bounds(&numbers) {
        let at = faulty(&numbers).and_then(|at| array.elems.get(at));
        let span = at.map_or_else(|| array.span(), Spanned::span);
        args.errors.push(syn::Error::new(span, fault));
    }
    Some(numbers)
}

/// The first bound that is not above the one before it.
fn faulty(numbers: &[f64]) -> Option<usize> {
    (1..=numbers.len()).find(|many| name::bounds(&numbers[..*many]).is_err()).map(|many| many - 1)
}

fn number(expr: &Expr) -> Option<f64> {
    match bare(expr.clone()) {
        Expr::Lit(ExprLit { lit: Lit::Float(literal), .. }) => literal.base10_parse().ok(),
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
