//! `#[snapshot]`: on a static whose state is provided at run time, or on a function where the state is global.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::Expr;

use crate::args::Args;
use crate::expand;
use crate::item::{Item, return_type};

pub fn expand(args: TokenStream, tokens: TokenStream) -> TokenStream {
    let mut args = Args::parse("snapshot", args, &["name", "every"]);
    let item = match syn::parse2::<Item>(tokens.clone()) {
        Ok(item) => item,
        Err(error) => {
            args.errors.push(error);
            let errors = args.errors.into_tokens();
            return quote!(#errors #tokens);
        }
    };
    let Some(name) = args.required("name", "\"connections\"") else {
        let (bare, errors) = (item.bare(), args.errors.into_tokens());
        return quote!(#bare #errors);
    };
    let declared = expand::declared(&name, &args, item.description());
    let mut checks = declared.checks.clone();
    let every = args.get("every").map_or_else(|| quote!("1m"), Expr::to_token_stream);
    if let Some(every) = args.get("every") {
        checks.extend(expand::check("check_interval", every));
    }
    let every = quote!(::telemetry_core::__private::interval(#every));
    let registration = |ty: &dyn ToTokens, source: TokenStream| {
        let ty = expand::written(&ty);
        let shape = quote! {
            ::telemetry_core::__private::Shape {
                every_ms: ::telemetry_core::__private::core::option::Option::Some(#every.as_millis() as u64),
                ..::telemetry_core::__private::Shape::of(#ty)
            }
        };
        declared.registration(
            &quote!("snapshot"),
            &shape,
            |declaration| quote!(::telemetry_core::__private::Entry::snapshot(&#source, #every, #declaration)),
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
            expand::plain_function(&mut args, item, "a snapshot", 0, false);
            if !args.errors.is_empty() {
                let errors = args.errors.into_tokens();
                return quote!(#item #errors);
            }
            let ident = &item.sig.ident;
            let registration = registration(&return_type(item), quote!(__TELEMETRY_SOURCE));
            expand::beside(
                item,
                &quote! {
                    #checks
                    static __TELEMETRY_SOURCE: ::telemetry_core::__private::SnapshotFn =
                        ::telemetry_core::__private::SnapshotFn::new(|| ::telemetry_core::__private::capture(#ident));
                    #registration
                },
            )
        }
    };
    quote!(#expanded #taken)
}
