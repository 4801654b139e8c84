//! `#[property]`: on a static it declares a constant or settable value, on a function one that is computed on demand.

use proc_macro2::TokenStream;
use quote::quote;

use crate::caret;
use crate::expand::{self, Declared};
use crate::item::{Item, return_type};

pub fn expand(args: TokenStream, tokens: TokenStream) -> TokenStream {
    let (mut args, item) = match expand::parse("property", &["name", "unit", "access"], args, tokens) {
        Ok(parsed) => parsed,
        Err(left) => return left,
    };
    let declared = Declared::new(&mut args, &item, "\"host_os\"");
    let declaring = match &item {
        Item::Static(item) => {
            let (ident, ty) = (&item.ident, &item.ty);
            let part = caret::part(ty, "PropertyType");
            let registration = declared.registration(ty, &part, &quote!(property(&__TELEMETRY_RECORD, &#ident)));
            let initial = item.initial();
            item.with(quote!({ #registration #initial }))
        }
        Item::Fn(function) => {
            expand::plain_function(&mut args, function, "a property", 0, false);
            let (ident, ty) = (&function.sig.ident, return_type(function));
            let part = caret::part(&ty, "ComputedType");
            let registration = declared.registration(&ty, &part, &quote!(property(&__TELEMETRY_RECORD, &__TELEMETRY_SOURCE)));
            expand::beside(
                function,
                &quote! {
                    static __TELEMETRY_SOURCE: ::telemetry_core::__private::PropertyFn<#ty> =
                        ::telemetry_core::__private::PropertyFn::new(#ident);
                    #registration
                },
            )
        }
    };
    let warned = declared.warned(&item, None);
    expand::finished(args, &item, "PropertyType", quote!(#declaring #warned))
}
