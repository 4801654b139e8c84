//! `#[metric]`: on a static it declares an instrument, on a function a value that is observed at each collection.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{Expr, ExprLit, Ident, Lit, PathArguments, Type};

use crate::args::Args;
use crate::caret;
use crate::expand::{self, Bounds, Declared};
use crate::item::{Item, StaticItem, return_type};
use crate::text;

pub fn expand(args: TokenStream, tokens: TokenStream) -> TokenStream {
    let known = ["name", "unit", "kind", "bounds", "max_series", "exemplars", "shared"];
    let (mut args, item) = match expand::parse("metric", &known, args, tokens) {
        Ok(parsed) => parsed,
        Err(left) => return left,
    };
    let mut declared = Declared::new(&mut args, &item, "\"requests\"");
    let counter;
    let declaring = match &item {
        Item::Static(item) => {
            counter = instrument(&item.ty).is_some_and(|(name, _)| name.ends_with("Counter") && name != "UpDownCounter");
            on_static(&mut args, item, &mut declared)
        }
        Item::Fn(function) => {
            expand::plain_function(&mut args, function, "an observed metric", 0, false);
            let kind = observed_kind(&mut args);
            counter = kind == "COUNTER";
            let kind = Ident::new(kind, Span::call_site());
            let kind = quote!({ ::telemetry_core::__private::code::#kind });
            let (ident, ty) = (&function.sig.ident, return_type(function));
            let part = caret::part_with(&ty, "ObservedType", &kind);
            let registration = declared.registration(&ty, &part, &quote!(metric(&__TELEMETRY_RECORD, &__TELEMETRY_SOURCE)));
            expand::beside(
                function,
                &quote! {
                    static __TELEMETRY_SOURCE: ::telemetry_core::__private::ObservedFn<#ty> =
                        ::telemetry_core::__private::ObservedFn::new(#ident);
                    #registration
                },
            )
        }
    };
    let warned = declared.warned(&item, Some(counter));
    expand::finished(args, &item, "Metric", quote!(#declaring #warned))
}

fn on_static(args: &mut Args, item: &StaticItem, declared: &mut Declared) -> TokenStream {
    if let Some(kind) = args.get("kind") {
        let error = syn::Error::new_spanned(kind, "the type of the static is its kind; `kind` belongs on an observed function");
        args.errors.push(error);
    }
    if let Some(written) = args.get("bounds").cloned() {
        if let (Some(key), Some((other, _))) = (args.key("bounds"), instrument(&item.ty).filter(|(name, _)| name != "Histogram")) {
            let error = syn::Error::new(key.span(), format!("`bounds` belong on a `Histogram`, and this is a `{other}`"));
            args.errors.push(error);
        }
        let (numbers, written, checks) = text::bounds(args, &written);
        declared.checks.extend(checks);
        declared.bounds = Some(Bounds { written, numbers });
    }
    if let (Some(key), Some((other, _))) = (args.key("exemplars"), instrument(&item.ty).filter(|(name, _)| !has_exemplars(name))) {
        let wanted = "`exemplars` belong on a `Counter`, a `FloatCounter` or a `Histogram`";
        let error = syn::Error::new(key.span(), format!("{wanted}, and this is a `{other}`"));
        args.errors.push(error);
    }
    if let (Some(key), Some((_, false))) = (args.key("max_series"), instrument(&item.ty)) {
        let error = syn::Error::new(key.span(), "`max_series` belongs on a metric with labels: this one has a single series");
        args.errors.push(error);
    }
    if let Some(Expr::Lit(ExprLit { lit: Lit::Int(number), .. })) = args.get("max_series")
        && number.base10_parse::<usize>().is_ok_and(|number| number == 0)
    {
        let error = syn::Error::new(number.span(), "`max_series` is at least 1: with none all labels would be one series");
        args.errors.push(error);
    }
    let (ident, ty) = (&item.ident, &item.ty);
    let part = caret::part(ty, "Metric");
    let is_usual = declared.bounds.is_none() && args.get("max_series").is_none() && args.get("exemplars").is_none();
    let plain = item.init.is_none() && is_usual;
    if let (true, Some((size, fields))) = (plain, declared.literals(ty)) {
        let (attrs, vis, framed, taken) = (&item.attrs, &item.vis, caret::framed(&part), declared.taken());
        return quote!(::telemetry_core::__private::metric!([#(#attrs)* #vis] #ident [#ty] #framed [#taken] #size #fields););
    }
    let registration = declared.registration(ty, &part, &quote!(metric(&__TELEMETRY_RECORD, &#ident)));
    let initial = item.initial();
    let completed = if is_usual {
        initial
    } else {
        let bounds = declared.bounds.as_ref().map_or_else(
            || quote!(::telemetry_core::__private::core::option::Option::None),
            |Bounds { written, .. }| quote!(::telemetry_core::__private::core::option::Option::Some(#written)),
        );
        let default = || quote!(::telemetry_core::limits::SERIES_MAX);
        let series_max = args.get("max_series").map_or_else(default, ToTokens::to_token_stream);
        let exemplars = args.get("exemplars").is_some();
        quote! {
            __TELEMETRY_RECORD.completed(
                #initial,
                ::telemetry_core::__private::Options { bounds: #bounds, series_max: #series_max, exemplars: #exemplars },
            )
        }
    };
    item.with(quote!({ #registration #completed }))
}

/// The name of an instrument and whether it has labels, where the type is written as one of ours.
fn instrument(ty: &Type) -> Option<(String, bool)> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    let known = ["Counter", "FloatCounter", "UpDownCounter", "Gauge", "FloatGauge", "Histogram"];
    let name = last.ident.to_string();
    known.contains(&name.as_str()).then_some((name, !matches!(last.arguments, PathArguments::None)))
}

/// Whether what an instrument of this name records may have an exemplar.
fn has_exemplars(name: &str) -> bool {
    ["Counter", "FloatCounter", "Histogram"].contains(&name)
}

/// The code of the kind of an observed function.
fn observed_kind(args: &mut Args) -> &'static str {
    for key in ["bounds", "max_series", "exemplars"] {
        if let Some(key) = args.key(key).cloned() {
            let error = syn::Error::new(key.span(), format!("`{key}` belongs on a static; an observed function has none"));
            args.errors.push(error);
        }
    }
    let wanted = "wanted \"gauge\", \"counter\" or \"up_down_counter\"";
    match args.get("kind") {
        None => "GAUGE",
        Some(Expr::Lit(ExprLit { lit: Lit::Str(kind), .. })) => match kind.value().as_str() {
            "gauge" => "GAUGE",
            "counter" => "COUNTER",
            "up_down_counter" => "UP_DOWN_COUNTER",
            other => {
                let error = syn::Error::new(kind.span(), format!("unknown kind \"{other}\": {wanted}"));
                args.errors.push(error);
                "GAUGE"
            }
        },
        Some(other) => {
            let error = syn::Error::new_spanned(other, wanted);
            args.errors.push(error);
            "GAUGE"
        }
    }
}
