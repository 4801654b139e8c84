//! What all declarations share: the checks of their texts, the `Declaration` and the element of the linkme slice.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Expr, ExprLit, ItemFn, Lit};

use crate::args::Args;

/// A call of a checking function at compile time. All of its tokens carry the span of the argument, so the caret stands there alone.
pub fn check(function: &str, argument: &impl ToTokens) -> TokenStream {
    let span = argument.span();
    let function = syn::Ident::new(function, span);
    quote_spanned!(span=> const _: () = ::telemetry_core::__private::#function(#argument);)
}

/// What all declarations say, and the checks of it.
pub struct Declared {
    pub checks: TokenStream,
    name: TokenStream,
    unit: TokenStream,
    description: TokenStream,
}

pub fn declared(name: &Expr, args: &Args, description: TokenStream) -> Declared {
    let mut checks = check("check_name", name);
    let unit = match args.get("unit") {
        Some(unit) => {
            checks.extend(check("check_unit", unit));
            unit.to_token_stream()
        }
        None => quote!(""),
    };
    Declared { checks, name: name.to_token_stream(), unit, description }
}

impl Declared {
    /// A collector, which has no public name.
    pub fn unnamed(name: TokenStream, description: TokenStream) -> Self {
        Self { checks: quote!(), name, unit: quote!(""), description }
    }

    /// The record in the binary and the element of the distributed slice. `kind` is an expression of its word, `shape` one of type `Shape`;
    /// `entry` makes an expression of type `Entry` of one of type `Declaration`.
    pub fn registration(
        &self,
        kind: &TokenStream,
        shape: &TokenStream,
        entry: impl FnOnce(TokenStream) -> TokenStream,
    ) -> TokenStream {
        let Self { name, unit, description, .. } = self;
        let entry = entry(quote!(::telemetry_core::__private::Declaration::linked(&__TELEMETRY_META, &__TELEMETRY_RECORD)));
        quote! {
            const __TELEMETRY_META: ::telemetry_core::__private::Meta = ::telemetry_core::__private::Meta {
                kind: #kind,
                name: #name,
                unit: #unit,
                description: #description,
                package: ::telemetry_core::__private::core::env!("CARGO_PKG_NAME"),
                version: ::telemetry_core::__private::core::env!("CARGO_PKG_VERSION"),
                module: ::telemetry_core::__private::core::module_path!(),
                file: ::telemetry_core::__private::core::file!(),
                line: ::telemetry_core::__private::core::line!(),
                shape: #shape,
            };
            #[used]
            #[cfg_attr(not(any(target_vendor = "apple", windows)), unsafe(link_section = ".telemetry.meta"))]
            #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__telemetry_meta"))]
            #[cfg_attr(windows, unsafe(link_section = ".tlmmeta"))]
            static __TELEMETRY_RECORD: [u8; __TELEMETRY_META.size()] = __TELEMETRY_META.encode();
            #[::telemetry_core::__private::linkme::distributed_slice(::telemetry_core::__private::TELEMETRY_DECLARATIONS_V1)]
            #[linkme(crate = ::telemetry_core::__private::linkme)]
            static __TELEMETRY_ENTRY: ::telemetry_core::__private::Entry = #entry;
        }
    }
}

/// The shape of what has a type and no more to say.
pub fn shape(ty: &impl ToTokens) -> TokenStream {
    let ty = written(ty);
    quote!(::telemetry_core::__private::Shape::of(#ty))
}

/// A type as it was written, without the spaces between its tokens where people write none.
pub fn written(ty: &impl ToTokens) -> String {
    let mut text = ty.to_token_stream().to_string();
    for (from, to) in [(" < ", "<"), (" >", ">"), (" :: ", "::"), (":: ", "::"), (" ,", ","), ("& ", "&"), ("< ", "<"), (" <", "<")]
    {
        text = text.replace(from, to);
    }
    text
}

/// The item and, under the same `cfg`s, what declares it.
pub fn beside(item: &ItemFn, declaring: &TokenStream) -> TokenStream {
    let cfgs = cfgs(&item.attrs);
    quote! {
        #item
        #cfgs
        const _: () = { #declaring };
    }
}

/// The conditions under which an item is there.
fn cfgs(attrs: &[Attribute]) -> TokenStream {
    let cfgs = attrs.iter().filter(|attr| attr.path().is_ident("cfg"));
    quote!(#(#cfgs)*)
}

/// An item that a crate can have once for each name, whatever its case, so that the compiler finds a second one; it points at the name.
/// It is there under the `cfg`s of what is declared.
/// None where the name is not a literal.
pub fn taken(name: &Expr, attrs: &[Attribute]) -> TokenStream {
    let Expr::Lit(ExprLit { lit: Lit::Str(name), .. }) = name else { return quote!() };
    // Made here, but seen where the name stands.
    let span = Span::call_site().located_at(name.span());
    let ident = syn::Ident::new(&format!("__telemetry_{}", identifier(&name.value())), span);
    let cfgs = cfgs(attrs);
    quote_spanned! {span=>
        #cfgs
        #[doc(hidden)]
        #[allow(non_local_definitions)] // a declaration may stand in a function
        #[macro_export]
        macro_rules! #ident {
            () => {};
        }
    }
}

/// The name as part of an identifier: what cannot be in one is a number, and so is an underscore that follows one.
fn identifier(name: &str) -> String {
    let mut out = String::new();
    for letter in name.to_ascii_lowercase().chars() {
        match letter {
            '_' if !out.ends_with('_') => out.push('_'),
            letter if letter.is_ascii_alphanumeric() => out.push(letter),
            other => out.push_str(&format!("__{:x}_", u32::from(other))),
        }
    }
    out
}

/// Refuses what a declared function cannot be.
pub fn plain_function(args: &mut Args, item: &ItemFn, what: &str, parameters_max: usize, async_allowed: bool) {
    let signature = &item.sig;
    if !signature.generics.params.is_empty() {
        args.errors
            .push(syn::Error::new(signature.generics.span(), format!("{what} cannot be generic: it is called without types")));
    }
    if let (Some(token), false) = (&signature.asyncness, async_allowed) {
        args.errors.push(syn::Error::new(token.span(), format!("{what} cannot be async: it is called from a plain thread")));
    }
    if let Some(extra) = signature.inputs.iter().nth(parameters_max) {
        let allowed = if parameters_max == 0 { "takes no parameters" } else { "takes one parameter, the request" };
        args.errors.push(syn::Error::new(extra.span(), format!("{what} {allowed}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_in_more_than_case_have_identifiers_of_their_own() {
        let names = ["a_b", "a__b", "a.b", "a-b", "a/b", "ab", "a_2e_b", "a__2e_b", "b_a"];
        for (i, one) in names.iter().enumerate() {
            for (j, other) in names.iter().enumerate() {
                assert_eq!(identifier(one) == identifier(other), i == j, "{one} {other}");
            }
            assert_eq!(identifier(one), identifier(&one.to_uppercase()));
            assert!(syn::parse_str::<syn::Ident>(&format!("x{}", identifier(one))).is_ok(), "{one}");
        }
    }

    #[test]
    fn types_are_told_as_people_write_them() {
        let written = |text: &str| written(&syn::parse_str::<syn::Type>(text).expect("a type"));
        for text in ["Counter", "Counter<Call>", "telemetry_core::Counter<(A, B)>", "Event<&'static str>", "Snapshot<Vec<Peer>>"] {
            assert_eq!(written(text), text);
        }
    }
}
