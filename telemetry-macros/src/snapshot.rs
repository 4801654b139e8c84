//! `#[snapshot]`: on a static whose state is provided at run time, or on a function where the state is global.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ReturnType;

use crate::caret;
use crate::expand::{self, Declared};
use crate::item::{Item, return_type};
use crate::text;

pub fn expand(args: TokenStream, tokens: TokenStream) -> TokenStream {
    let (mut args, item) = match expand::parse("snapshot", &["name", "every", "access"], args, tokens) {
        Ok(parsed) => parsed,
        Err(left) => return left,
    };
    let mut declared = Declared::new(&mut args, &item, "\"connections\"");
    declared.streamed(&mut args);
    let (every, every_ms, checks) = text::interval(&mut args, "every");
    let told = quote!(#every_ms, ::telemetry_core::__private::schema!(__TELEMETRY_RECORD));
    declared.every = Some((every, every_ms));
    declared.checks.extend(checks);
    let declaring = match &item {
        Item::Static(item) => {
            let (ident, ty) = (&item.ident, &item.ty);
            let part = caret::part(ty, "SnapshotType");
            let registration = declared.registration(ty, &part, &quote!(snapshot(&__TELEMETRY_RECORD, &#ident, #told)));
            let initial = item.initial();
            item.with(quote!({ #registration #initial }))
        }
        Item::Fn(function) => {
            expand::plain_function(&mut args, function, "a snapshot", 0, false);
            if matches!(function.sig.output, ReturnType::Default) {
                let wanted = "a snapshot returns its state: write `-> State`, where `State` derives `serde::Serialize`";
                args.errors.push(syn::Error::new(function.sig.ident.span(), wanted));
            }
            let (ident, ty) = (&function.sig.ident, return_type(function));
            let part = caret::part(&ty, "Captured");
            let registration =
                declared.registration(&ty, &part, &quote!(snapshot(&__TELEMETRY_RECORD, &__TELEMETRY_SOURCE, #told)));
            expand::beside(
                function,
                &quote! {
                    static __TELEMETRY_SOURCE: ::telemetry_core::__private::SnapshotFn<#ty> =
                        ::telemetry_core::__private::SnapshotFn::new(#ident);
                    #registration
                },
            )
        }
    };
    let warned = declared.warned(&item, None);
    expand::finished(args, &item, "SnapshotType", quote!(#declaring #warned))
}
