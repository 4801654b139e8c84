//! `#[collector]`: a function that reads once and sets many metrics, right before each collection.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::ReturnType;
use syn::spanned::Spanned;

use crate::args::Args;
use crate::expand::{self, Declared};
use crate::item::Item;

pub fn expand(args: TokenStream, tokens: TokenStream) -> TokenStream {
    let mut args = Args::parse("collector", args, &[]);
    let item = match syn::parse2::<Item>(tokens.clone()) {
        Ok(item) => item,
        Err(error) => {
            args.errors.push(error);
            let errors = args.errors.into_tokens();
            return quote!(#errors #tokens);
        }
    };
    let description = item.description();
    let item = match item {
        Item::Fn(item) => item,
        Item::Static(item) => {
            let error = syn::Error::new(item.ident.span(), "a collector is a function: `#[collector] fn name() { … }`");
            args.errors.push(error);
            let (bare, errors) = (Item::Static(item).bare(), args.errors.into_tokens());
            return quote!(#bare #errors);
        }
    };
    expand::plain_function(&mut args, &item, "a collector", 0, false);
    if let ReturnType::Type(_, ty) = &item.sig.output {
        let error = syn::Error::new(ty.span(), "a collector returns nothing: it sets metrics");
        args.errors.push(error);
    }
    if !args.errors.is_empty() {
        let errors = args.errors.into_tokens();
        return quote!(#item #errors);
    }
    let ident = &item.sig.ident;
    let name = ident.to_string().into_token_stream();
    let declared = Declared::unnamed(name, description);
    let registration = declared.registration(
        &quote!("collector"),
        &expand::shape(&quote!(())),
        |declaration| quote!(::telemetry_core::__private::Entry::collector(#ident, #declaration)),
    );
    expand::beside(&item, &quote! { #registration })
}
