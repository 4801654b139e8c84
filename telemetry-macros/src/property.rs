//! `#[property]`: on a static it declares a constant or settable value, on a function one that is computed on demand.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

use crate::args::Args;
use crate::expand;
use crate::item::{Item, return_type};

pub fn expand(args: TokenStream, tokens: TokenStream) -> TokenStream {
    let mut args = Args::parse("property", args, &["name", "unit"]);
    let item = match syn::parse2::<Item>(tokens.clone()) {
        Ok(item) => item,
        Err(error) => {
            args.errors.push(error);
            let errors = args.errors.into_tokens();
            return quote!(#errors #tokens);
        }
    };
    let Some(name) = args.required("name", "\"host_os\"") else {
        let (bare, errors) = (item.bare(), args.errors.into_tokens());
        return quote!(#bare #errors);
    };
    let declared = expand::declared(&name, &args, item.description());
    let checks = &declared.checks;
    let registration = |ty: &dyn ToTokens, source: TokenStream| {
        declared.registration(
            &quote!("property"),
            &expand::shape(&ty),
            |declaration| quote!(::telemetry_core::__private::Entry::property(&#source, #declaration)),
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
            expand::plain_function(&mut args, item, "a property", 0, false);
            if !args.errors.is_empty() {
                let errors = args.errors.into_tokens();
                return quote!(#item #errors);
            }
            let (ident, ty) = (&item.sig.ident, return_type(item));
            let registration = registration(&ty, quote!(__TELEMETRY_SOURCE));
            expand::beside(
                item,
                &quote! {
                    #checks
                    static __TELEMETRY_SOURCE: ::telemetry_core::__private::PropertyFn<#ty> =
                        ::telemetry_core::__private::PropertyFn::new(#ident);
                    #registration
                },
            )
        }
    };
    quote!(#expanded #taken)
}
