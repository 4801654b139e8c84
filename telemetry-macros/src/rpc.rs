//! `#[rpc]`: on a static that is served at run time, or on a function, plain or async.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{FnArg, Type};

use crate::caret;
use crate::expand::{self, Declared};
use crate::item::{Item, return_type};

pub fn expand(args: TokenStream, tokens: TokenStream) -> TokenStream {
    let (mut args, item) = match expand::parse("rpc", &["name", "access"], args, tokens) {
        Ok(parsed) => parsed,
        Err(left) => return left,
    };
    let declared = Declared::new(&mut args, &item, "\"find_peer\"");
    let schemas = quote!(::telemetry_core::__private::schemas!(__TELEMETRY_RECORD));
    let declaring = match &item {
        Item::Static(item) => {
            let (ident, ty) = (&item.ident, &item.ty);
            let part = caret::part(ty, "RpcType");
            let registration = declared.registration(ty, &part, &quote!(rpc(&__TELEMETRY_RECORD, &#ident, #schemas)));
            let (initial, name) = (item.initial(), declared.name());
            item.with(quote!({ #registration __TELEMETRY_RECORD.completed(#initial, #name) }))
        }
        Item::Fn(function) => {
            expand::plain_function(&mut args, function, "an rpc", 1, true);
            let (ident, answer) = (&function.sig.ident, return_type(function));
            let (request, call) = match function.sig.inputs.first() {
                Some(FnArg::Typed(parameter)) if matches!(*parameter.ty, Type::Reference(_)) => {
                    let wanted = "a request owns what it has, since it is read from JSON: take `String`, not `&str`";
                    args.errors.push(syn::Error::new_spanned(&parameter.ty, wanted));
                    (quote!(()), quote!(#ident(__telemetry_request)))
                }
                Some(FnArg::Typed(parameter)) => {
                    (parameter.ty.to_token_stream(), quote_spanned!(ident.span()=> #ident(__telemetry_request)))
                }
                _ => (quote!(()), quote_spanned!(ident.span()=> #ident())),
            };
            let boxed = quote_spanned!(ident.span()=> ::telemetry_core::__private::boxed);
            let call = if function.sig.asyncness.is_some() {
                quote!(|__telemetry_request| { let _ = &__telemetry_request; #boxed(#call) })
            } else {
                // Called when the answer is first polled, where a panic is caught and a deadline runs.
                quote!(|__telemetry_request| #boxed(async move { let _ = &__telemetry_request; #call }))
            };
            // In this order, because the caret of what does not deserialise stands under the first and the last token.
            let own = caret::told(&answer, "Answered", "Own");
            let part = caret::part_with(&request, "Asked", &own);
            let inputs = function.sig.inputs.iter();
            let output = &function.sig.output;
            let registration = declared.registration(
                &quote!((#(#inputs),*) #output),
                &part,
                &quote!(rpc(&__TELEMETRY_RECORD, &__TELEMETRY_SOURCE, #schemas)),
            );
            expand::beside(
                function,
                &quote! {
                    static __TELEMETRY_SOURCE: ::telemetry_core::__private::RpcFn<#request, #answer> =
                        ::telemetry_core::__private::RpcFn::new(#call);
                    #registration
                },
            )
        }
    };
    let warned = declared.warned(&item, None);
    expand::finished(args, &item, "RpcType", quote!(#declaring #warned))
}
