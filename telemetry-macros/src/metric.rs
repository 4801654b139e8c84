//! `#[metric]`: on a static it declares an instrument, on a function a value that is observed at each collection.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, ItemFn, Lit};

use crate::args::Args;
use crate::expand::{self, Declared};
use crate::item::{Item, StaticItem, return_type};

pub fn expand(args: TokenStream, tokens: TokenStream) -> TokenStream {
    let known = ["name", "unit", "kind", "bounds", "max_series"];
    let mut args = Args::parse("metric", args, &known);
    let item = match syn::parse2::<Item>(tokens.clone()) {
        Ok(item) => item,
        Err(error) => {
            args.errors.push(error);
            let errors = args.errors.into_tokens();
            return quote!(#errors #tokens);
        }
    };
    let name = args.required("name", "\"requests\"");
    let description = item.description();
    let Some(name) = name else {
        let (bare, errors) = (item.bare(), args.errors.into_tokens());
        return quote!(#bare #errors);
    };
    let declared = expand::declared(&name, &args, description);
    let taken = expand::taken(&name, item.attrs());
    let expanded = match &item {
        Item::Static(item) => on_static(args, item, declared),
        Item::Fn(item) => on_function(args, item, declared),
    };
    quote!(#expanded #taken)
}

fn on_static(mut args: Args, item: &StaticItem, declared: Declared) -> TokenStream {
    if let Some(kind) = args.get("kind") {
        let error = syn::Error::new(kind.span(), "the type of the static is its kind; `kind` belongs on an observed function");
        args.errors.push(error);
    }
    let mut checks = declared.checks.clone();
    let bounds = match args.get("bounds") {
        Some(bounds) => {
            let reference = quote_spanned!(bounds.span()=> &#bounds);
            checks.extend(expand::check("check_bounds", &reference));
            quote!(::telemetry_core::__private::core::option::Option::Some(&#bounds))
        }
        None => quote!(::telemetry_core::__private::core::option::Option::None),
    };
    let max_series = match args.get("max_series") {
        Some(max) => max.to_token_stream(),
        None => quote!(::telemetry_core::limits::SERIES_MAX),
    };
    let ident = &item.ident;
    let (ty, text) = (&item.ty, expand::written(&item.ty));
    let metric = quote!(<#ty as ::telemetry_core::__private::Metric>);
    let shape = quote! {
        ::telemetry_core::__private::Shape {
            ty: #text,
            labels: #metric::LABELS,
            bounds: #bounds,
            every_ms: ::telemetry_core::__private::core::option::Option::None,
        }
    };
    let registration = declared.registration(
        &quote!(#metric::KIND.as_str()),
        &shape,
        |declaration| quote!(::telemetry_core::__private::Entry::metric(&#ident, #declaration)),
    );
    let initial = item.initial();
    let errors = args.errors.into_tokens();
    let item = item.with(quote!({
        #checks
        #registration
        (#initial).__declared(::telemetry_core::__private::Options { bounds: #bounds, series_max: #max_series })
    }));
    quote!(#item #errors)
}

fn on_function(mut args: Args, item: &ItemFn, declared: Declared) -> TokenStream {
    expand::plain_function(&mut args, item, "an observed metric", 0, false);
    for key in ["bounds", "max_series"] {
        if let Some(value) = args.get(key) {
            let error = syn::Error::new(value.span(), format!("`{key}` belongs on a static; an observed function has none"));
            args.errors.push(error);
        }
    }
    let kind = match args.get("kind") {
        None => quote!(Gauge),
        Some(Expr::Lit(ExprLit { lit: Lit::Str(kind), .. })) => match kind.value().as_str() {
            "gauge" => quote!(Gauge),
            "counter" => quote!(Counter),
            "up_down_counter" => quote!(UpDownCounter),
            other => {
                let wanted = "wanted \"gauge\", \"counter\" or \"up_down_counter\"";
                args.errors.push(syn::Error::new(kind.span(), format!("unknown kind \"{other}\": {wanted}")));
                quote!(Gauge)
            }
        },
        Some(other) => {
            let error = syn::Error::new(other.span(), "wanted \"gauge\", \"counter\" or \"up_down_counter\"");
            args.errors.push(error);
            quote!(Gauge)
        }
    };
    if !args.errors.is_empty() {
        let errors = args.errors.into_tokens();
        return quote!(#item #errors);
    }
    let (ident, ty) = (&item.sig.ident, return_type(item));
    let kind = quote!(::telemetry_core::__private::ObservedKind::#kind);
    let registration = declared.registration(
        &quote!(#kind.as_str()),
        &expand::shape(&ty),
        |declaration| quote!(::telemetry_core::__private::Entry::observed(&__TELEMETRY_SOURCE, #kind, #declaration)),
    );
    let checks = declared.checks;
    expand::beside(
        item,
        &quote! {
            #checks
            static __TELEMETRY_SOURCE: ::telemetry_core::__private::ObservedFn<#ty> =
                ::telemetry_core::__private::ObservedFn::new(#ident);
            #registration
        },
    )
}
