//! `#[event]`: on a static only; an event has no state that a function could give.

use proc_macro2::TokenStream;
use quote::quote;

use crate::caret;
use crate::expand::{self, Declared};
use crate::item::Item;

pub fn expand(args: TokenStream, tokens: TokenStream) -> TokenStream {
    let (mut args, item) = match expand::parse("event", &["name", "access", "on_demand"], args, tokens) {
        Ok(parsed) => parsed,
        Err(left) => return left,
    };
    let declared = Declared::new(&mut args, &item, "\"connected\"");
    declared.streamed(&mut args);
    let declaring = match &item {
        Item::Static(item) => {
            let ty = &item.ty;
            let part = caret::part(ty, "EventType");
            let option = quote!(::telemetry_core::__private::core::option::Option);
            let (switch, wanted) = if declared.is_on_demand() {
                let wanted = quote!(::telemetry_core::__private::Wanted);
                (quote!(static __TELEMETRY_WANTED: #wanted = #wanted::new();), quote!(#option::Some(&__TELEMETRY_WANTED)))
            } else {
                (quote!(), quote!(#option::None))
            };
            let schema = quote!(::telemetry_core::__private::schema!(__TELEMETRY_RECORD));
            let registration = declared.registration(ty, &part, &quote!(event(&__TELEMETRY_RECORD, #schema, #wanted)));
            let initial = item.initial();
            item.with(quote!({
                #switch
                #registration
                __TELEMETRY_RECORD.completed(#initial, &__TELEMETRY_ELEMENT, #wanted)
            }))
        }
        Item::Fn(function) => {
            let wanted = "an event is declared on a static: `static NAME: Event<Type>;`";
            args.errors.push(syn::Error::new(function.sig.fn_token.span, wanted));
            quote!()
        }
    };
    let warned = declared.warned(&item, None);
    expand::finished(args, &item, "EventType", quote!(#declaring #warned))
}
