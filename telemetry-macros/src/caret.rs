//! Where the compiler points when it judges a type or an expression: under the whole of it, and under nothing else.
//!
//! A caret reaches from the first token of what is judged to the last, so these two have the spans of the user's first and last.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};

/// The spans of the first and the last token.
pub fn ends(tokens: &impl ToTokens) -> (Span, Span) {
    let mut tokens = tokens.to_token_stream().into_iter().map(|token| token.span());
    let first = tokens.next().unwrap_or_else(Span::call_site);
    (first, tokens.last().unwrap_or(first))
}

/// What a type tells as the type of a declared item: `<Type as Trait>::Part`.
pub fn part(ty: &impl ToTokens, of: &str) -> TokenStream {
    told(ty, of, "Part")
}

/// What a trait tells of a type: `<Type as Trait>::Member`.
pub fn told(ty: &impl ToTokens, of: &str, member: &str) -> TokenStream {
    let (first, last) = ends(ty);
    let (of, member) = (Ident::new(of, first), Ident::new(member, last));
    let path = quote_spanned!(first=> <#ty as ::telemetry_core::__private::#of>::);
    quote!(#path #member)
}

/// The same, where the part depends on an argument too: `<Type as Trait>::Part<Argument>`.
pub fn part_with(ty: &impl ToTokens, of: &str, argument: &TokenStream) -> TokenStream {
    let (part, (_, last)) = (part(ty, of), ends(ty));
    let argument = quote_spanned!(last=> <#argument>);
    quote!(#part #argument)
}

/// A part between the first and the last token of the type of a record, for the caret of a mistake that the compiler finds in all of it.
pub fn framed(part: &TokenStream) -> TokenStream {
    let (first, last) = ends(part);
    let (begin, end) = (quote_spanned!(first=> ::), quote_spanned!(last=> >));
    quote!([#begin #part] #end)
}

/// A call of a function of `telemetry_core::__private` at compile time that judges what was written as `judged`.
pub fn check(function: &str, argument: &Ident, judged: &impl ToTokens) -> TokenStream {
    let (first, last) = ends(judged);
    let function = Ident::new(function, first);
    let path = quote_spanned!(first=> ::telemetry_core::__private::#function);
    let mut arguments = Group::new(Delimiter::Parenthesis, argument.to_token_stream());
    arguments.set_span(last);
    quote!(const _: () = #path #arguments;)
}
