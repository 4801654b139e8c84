//! `#[rpc]`: on a static that is served at run time, or on a function, plain or async.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{FnArg, Type};

use crate::expand::{self, Declared};
use crate::item::{Item, return_type};

pub fn expand(args: TokenStream, tokens: TokenStream) -> TokenStream {
    let (mut args, item) = match expand::parse("rpc", &["name"], args, tokens) {
        Ok(parsed) => parsed,
        Err(left) => return left,
    };
    let declared = Declared::new(&mut args, &item, "\"find_peer\"");
    let declaring = match &item {
        Item::Static(item) => {
            let (ident, ty) = (&item.ident, &item.ty);
            let part = quote_spanned!(ty.span()=> <#ty as ::telemetry_core::__private::RpcType>::Part);
            let registration = declared.registration(ty, &part, &quote!(rpc(&__TELEMETRY_RECORD, &#ident)));
            let initial = item
                .init
                .as_ref()
                .map_or_else(|| quote!(::telemetry_core::__private::initial(&__TELEMETRY_RECORD)), ToTokens::to_token_stream);
            item.with(quote!({ #registration #initial }))
        }
        Item::Fn(function) => {
            expand::plain_function(&mut args, function, "an rpc", 1, true);
            let (ident, answer) = (&function.sig.ident, return_type(function));
            let (request, call) = match function.sig.inputs.first() {
                Some(FnArg::Typed(parameter)) if matches!(*parameter.ty, Type::Reference(_)) => {
                    let wanted = "a request owns what it has, since it is read from JSON: take `String`, not `&str`";
                    args.errors.push(syn::Error::new(parameter.ty.span(), wanted));
                    (quote!(()), quote!(#ident(request)))
                }
                Some(FnArg::Typed(parameter)) => (parameter.ty.to_token_stream(), quote!(#ident(request))),
                _ => (quote!(()), quote!(#ident())),
            };
            let call = if function.sig.asyncness.is_some() {
                quote!(|request| { let _ = &request; ::telemetry_core::__private::boxed(#call) })
            } else {
                // Called when the answer is first polled, where a panic is caught and a deadline runs.
                quote!(|request| ::telemetry_core::__private::boxed(async move { let _ = &request; #call }))
            };
            let own = quote_spanned!(request.span()=> <#request as ::telemetry_core::__private::Asked>::Own);
            let part = quote_spanned!(answer.span()=> <#answer as ::telemetry_core::__private::Answered>::Part<#own>);
            let inputs = function.sig.inputs.iter();
            let output = &function.sig.output;
            let registration = declared.registration(
                &quote!((#(#inputs),*) #output),
                &part,
                &quote!(rpc(&__TELEMETRY_RECORD, &__TELEMETRY_SOURCE)),
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
    expand::finished(args, &item, || {
        let (taken, warned) = (declared.taken(item.attrs()), declared.warned(&item, None));
        quote!(#declaring #taken #warned)
    })
}
