//! What all declarations share: the checks of their texts, the `Declaration` and the element of the linkme slice.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, ItemFn};

use crate::args::Args;

/// A call of a checking function at compile time. All of its tokens carry the span of the argument, so the caret stands there alone.
pub fn check(function: &str, argument: &impl ToTokens) -> TokenStream {
    let span = argument.span();
    let function = syn::Ident::new(function, span);
    quote_spanned!(span=> const _: () = ::telemetry_core::__private::#function(#argument);)
}

/// Checks of name and unit and the expression of type `Declaration`.
pub struct Declared {
    pub checks: TokenStream,
    pub declaration: TokenStream,
}

pub fn declared(name: &Expr, args: &Args, description: &TokenStream) -> Declared {
    let mut checks = check("check_name", name);
    let unit = match args.get("unit") {
        Some(unit) => {
            checks.extend(check("check_unit", unit));
            unit.to_token_stream()
        }
        None => quote!(""),
    };
    Declared { checks, declaration: declaration(&name.to_token_stream(), &unit, description) }
}

pub fn declaration(name: &TokenStream, unit: &TokenStream, description: &TokenStream) -> TokenStream {
    quote! {
        ::telemetry_core::__private::Declaration::linked(
            #name,
            #unit,
            #description,
            ::telemetry_core::__private::core::env!("CARGO_PKG_NAME"),
            ::telemetry_core::__private::core::env!("CARGO_PKG_VERSION"),
            ::telemetry_core::__private::core::module_path!(),
            ::telemetry_core::__private::core::file!(),
            ::telemetry_core::__private::core::line!(),
        )
    }
}

/// The element of the distributed slice; `entry` is an expression of type `Entry`.
pub fn registration(entry: &TokenStream) -> TokenStream {
    quote! {
        #[::telemetry_core::__private::linkme::distributed_slice(::telemetry_core::__private::TELEMETRY_DECLARATIONS_V1)]
        #[linkme(crate = ::telemetry_core::__private::linkme)]
        static __TELEMETRY_ENTRY: ::telemetry_core::__private::Entry = #entry;
    }
}

/// The item and, under the same `cfg`s, what declares it.
pub fn beside(item: &ItemFn, declaring: &TokenStream) -> TokenStream {
    let cfgs = item.attrs.iter().filter(|attr| attr.path().is_ident("cfg"));
    quote! {
        #item
        #(#cfgs)*
        const _: () = { #declaring };
    }
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
