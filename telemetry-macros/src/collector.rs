//! `#[collector]`: a function that reads once and sets many metrics, right before each collection.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ReturnType;

use crate::expand::{self, Declared};
use crate::item::Item;

pub fn expand(args: TokenStream, tokens: TokenStream) -> TokenStream {
    let (mut args, item) = match expand::parse("collector", &[], args, tokens) {
        Ok(parsed) => parsed,
        Err(left) => return left,
    };
    let declaring = match &item {
        Item::Fn(function) => {
            expand::plain_function(&mut args, function, "a collector", 0, false);
            if let ReturnType::Type(_, ty) = &function.sig.output {
                let error = syn::Error::new_spanned(ty, "a collector returns nothing: it sets metrics");
                args.errors.push(error);
            }
            let ident = &function.sig.ident;
            let part = quote!(::telemetry_core::__private::CollectorPart);
            let declared = Declared::unnamed(ident, &item);
            let registration = declared.registration(&quote!(()), &part, &quote!(collector(&__TELEMETRY_RECORD, #ident)));
            let (declaring, warned) = (expand::beside(function, &registration), declared.warned(&item, None));
            quote!(#declaring #warned)
        }
        Item::Static(item) => {
            let error = syn::Error::new(item.ident.span(), "a collector is a function: `#[collector] fn name() { … }`");
            args.errors.push(error);
            quote!()
        }
    };
    expand::finished(args, &item, "Metric", declaring)
}
