//! `#[rpc]`: on a static that is served at run time, or on a function, plain or async.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

use crate::args::Args;
use crate::expand;
use crate::item::Item;

pub fn expand(args: TokenStream, tokens: TokenStream) -> TokenStream {
    let mut args = Args::parse("rpc", args, &["name"]);
    let item = match syn::parse2::<Item>(tokens.clone()) {
        Ok(item) => item,
        Err(error) => {
            args.errors.push(error);
            let errors = args.errors.into_tokens();
            return quote!(#errors #tokens);
        }
    };
    let Some(name) = args.required("name", "\"find_peer\"") else {
        let (bare, errors) = (item.bare(), args.errors.into_tokens());
        return quote!(#bare #errors);
    };
    let declared = expand::declared(&name, &args, item.description());
    let checks = &declared.checks;
    let registration = |ty: &dyn ToTokens, source: TokenStream| {
        declared.registration(
            &quote!("rpc"),
            &expand::shape(&ty),
            |declaration| quote!(::telemetry_core::__private::Entry::rpc(&#source, #declaration)),
        )
    };
    let taken = expand::taken(&name, item.attrs());
    let expanded = match &item {
        Item::Static(item) => {
            let ident = &item.ident;
            let registration = registration(&item.ty, quote!(#ident));
            let initial = item.initial();
            let errors = args.errors.into_tokens();
            let item = item.with(quote!({ #checks #registration #initial }));
            quote!(#item #errors)
        }
        Item::Fn(item) => {
            expand::plain_function(&mut args, item, "an rpc", 1, true);
            if !args.errors.is_empty() {
                let errors = args.errors.into_tokens();
                return quote!(#item #errors);
            }
            let ident = &item.sig.ident;
            let call = match (item.sig.asyncness.is_some(), item.sig.inputs.is_empty()) {
                (true, false) => quote!(call_async(json, #ident)),
                (true, true) => quote!(call_async(json, |()| #ident())),
                (false, false) => quote!(call_plain(json, #ident)),
                (false, true) => quote!(call_plain(json, |()| #ident())),
            };
            let (inputs, output) = (item.sig.inputs.iter(), &item.sig.output);
            let registration = registration(&quote!((#(#inputs),*) #output), quote!(__TELEMETRY_SOURCE));
            expand::beside(
                item,
                &quote! {
                    #checks
                    static __TELEMETRY_SOURCE: ::telemetry_core::__private::RpcFn =
                        ::telemetry_core::__private::RpcFn::new(|json| ::telemetry_core::__private::#call);
                    #registration
                },
            )
        }
    };
    quote!(#expanded #taken)
}
