//! `#[derive(Labels)]`: a struct becomes a set of labels, an enum of unit variants a label value, a newtype what it wraps.
//!
//! `#[label(name = "…")]` renames a field or a variant, `#[label(flatten)]` takes a field's labels in place of one of its own.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Data, DataEnum, DeriveInput, Expr, ExprLit, Field, Fields, GenericParam, Lit, LitStr, Path, Token, Type};

use crate::args::{self, Errors};
use crate::name;

pub fn expand(tokens: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(tokens) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut errors = Errors::default();
    for param in input.generics.params.iter().filter(|param| !matches!(param, GenericParam::Lifetime(_))) {
        errors.push(syn::Error::new_spanned(param, "labels may borrow, and cannot be generic otherwise: their set must be known"));
    }
    if !errors.is_empty() {
        let (instead, errors) = (instead(&input), errors.into_tokens());
        return quote!(#instead #errors);
    }
    let expanded = match &input.data {
        Data::Enum(data) => on_enum(&input, data, &mut errors),
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => on_struct(&input, fields.named.iter(), &mut errors),
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => on_newtype(&input, &fields.unnamed[0], &mut errors),
            other => {
                let wanted = "wanted a struct with named fields, a newtype of one field, or an enum of unit variants";
                let at = if other.is_empty() { input.ident.to_token_stream() } else { other.to_token_stream() };
                errors.push(syn::Error::new_spanned(at, wanted));
                instead(&input)
            }
        },
        Data::Union(data) => {
            errors.push(syn::Error::new(data.union_token.span, "a union cannot be labels: use a struct or an enum"));
            instead(&input)
        }
    };
    let errors = errors.into_tokens();
    quote!(#expanded #errors)
}

/// The head of an impl for a type that may have lifetimes.
struct Head {
    generics: TokenStream,
    target: TokenStream,
    /// The type with one lifetime in the place of all.
    with: TokenStream,
}

impl Head {
    fn of(input: &DeriveInput) -> Self {
        let ident = &input.ident;
        let (generics, own, _) = input.generics.split_for_impl();
        let with = input.generics.lifetimes().map(|_| quote!('__telemetry));
        Self { generics: quote!(#generics), target: quote!(#ident #own), with: quote!(#ident <#(#with),*>) }
    }
}

/// Whether a type is written `&'static str`: such text is told by its address.
fn is_static_str(ty: &Type) -> bool {
    let Type::Reference(reference) = ty else { return false };
    let Type::Path(path) = &*reference.elem else { return false };
    let is_static = reference.lifetime.as_ref().is_some_and(|lifetime| lifetime.ident == "static");
    is_static && reference.mutability.is_none() && path.qself.is_none() && path.path.is_ident("str")
}

/// What `#[label(…)]` said.
#[derive(Default)]
struct LabelArgs {
    name: Option<LitStr>,
    /// The word.
    flatten: Option<Path>,
}

fn label_args(attrs: &[Attribute], flatten_allowed: bool, errors: &mut Errors) -> LabelArgs {
    let mut found = LabelArgs::default();
    let known: &[&str] = if flatten_allowed { &["name", "flatten"] } else { &["name"] };
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("label")) {
        let parsed = attr.parse_nested_meta(|meta| {
            let (path, given) = (&meta.path, meta.path.to_token_stream().to_string());
            let wrong = match given.as_str() {
                "flatten" if flatten_allowed => {
                    found.flatten = Some(path.clone());
                    None
                }
                "name" if !meta.input.peek(Token![=]) => {
                    Some(syn::Error::new_spanned(path, "`name` wants a value: write `name = …`"))
                }
                "name" if found.name.is_some() => Some(syn::Error::new_spanned(path, "`name` is given twice")),
                "name" => match meta.value()?.parse::<Expr>()? {
                    Expr::Lit(ExprLit { lit: Lit::Str(name), .. }) => {
                        found.name = Some(name);
                        None
                    }
                    other => Some(syn::Error::new_spanned(other, "the name of a label is a literal: write `name = \"…\"`")),
                },
                _ => Some(syn::Error::new_spanned(path, args::unknown("label", &given, known))),
            };
            if let Some(wrong) = wrong {
                errors.push(wrong);
                while !meta.input.is_empty() && !meta.input.peek(Token![,]) {
                    meta.input.parse::<TokenTree>()?;
                }
            }
            Ok(())
        });
        if let Err(error) = parsed {
            errors.push(error);
        }
    }
    if let (Some(flatten), Some(_)) = (&found.flatten, &found.name) {
        errors.push(syn::Error::new_spanned(flatten, "labels that are flattened keep their own names: remove `name` or `flatten`"));
    }
    found
}

/// Refuses `#[label(…)]` where it says nothing.
fn refuse_label(attrs: &[Attribute], why: &str, errors: &mut Errors) {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("label")) {
        errors.push(syn::Error::new_spanned(attr, why));
    }
}

/// What stands in the place of the impls where there are mistakes, so that no use of the type is one too.
fn instead(input: &DeriveInput) -> TokenStream {
    let (ident, (generics, own, _)) = (&input.ident, input.generics.split_for_impl());
    quote! {
        impl #generics ::telemetry_core::LabelValue for #ident #own where Self: ::telemetry_core::__private::core::marker::Send
            + ::telemetry_core::__private::core::marker::Sync
        {
            const CARDINALITY: ::telemetry_core::__private::usize = 0;
            fn index(&self) -> ::telemetry_core::__private::usize {
                0
            }
            fn from_index(_: ::telemetry_core::__private::usize) -> ::telemetry_core::__private::core::option::Option<Self> {
                ::telemetry_core::__private::core::option::Option::None
            }
            fn value(&self) -> ::telemetry_core::Label {
                ::telemetry_core::__private::label_text("")
            }
            fn key<'__key>(&'__key self, _: &mut impl ::telemetry_core::Key<'__key>) {}
        }
        impl #generics ::telemetry_core::Labels for #ident #own where Self: ::telemetry_core::__private::core::marker::Send
            + ::telemetry_core::__private::core::marker::Sync
        {
            type With<'__telemetry> = Self;
            const META: &'static [::telemetry_core::__private::LabelMeta<'static>] = &[];
            type Bytes = <() as ::telemetry_core::Labels>::Bytes;
            const BYTES: Self::Bytes = <() as ::telemetry_core::Labels>::BYTES;
            const CARDINALITY: ::telemetry_core::__private::usize = 0;
            fn index(&self) -> ::telemetry_core::__private::usize {
                0
            }
            fn from_index(_: ::telemetry_core::__private::usize) -> ::telemetry_core::__private::core::option::Option<Self> {
                ::telemetry_core::__private::core::option::Option::None
            }
            fn visit(
                &self,
                _: &mut dyn ::telemetry_core::__private::core::ops::FnMut(&'static ::telemetry_core::__private::str, ::telemetry_core::Label),
            ) {}
            fn key<'__key>(&'__key self, _: &mut impl ::telemetry_core::Key<'__key>) {}
        }
    }
}

/// Judges a key.
fn judge_key(key: &LitStr, errors: &mut Errors) {
    if let Err(fault) = name::label(&key.value()) {
        errors.push(syn::Error::new(key.span(), fault));
    }
}

/// What the record of a metric says of its labels. A lifetime of the type is `'static` there: an array's length must not depend on one.
fn bytes(input: &DeriveInput) -> TokenStream {
    let ident = &input.ident;
    let lifetimes = input.generics.lifetimes().map(|_| quote!('static));
    let meta = quote!(<#ident <#(#lifetimes),*> as ::telemetry_core::Labels>::META);
    quote! {
        type Bytes = [::telemetry_core::__private::u8; ::telemetry_core::__private::labels_size(#meta)];
        const BYTES: Self::Bytes = ::telemetry_core::__private::encode_labels(#meta);
    }
}

fn on_struct<'a>(input: &DeriveInput, fields: impl Iterator<Item = &'a Field>, errors: &mut Errors) -> TokenStream {
    refuse_label(&input.attrs, "a set of labels has no name of its own: name its fields", errors);
    let Head { generics, target, with } = Head::of(input);
    let mut keys_of = quote!();
    let (mut visits, mut indices, mut rebuilds, mut factors) = (quote!(), quote!(), Vec::new(), quote!());
    let (mut keys, mut metas): (Vec<String>, _) = (Vec::new(), quote!());
    for field in fields {
        let Some(name) = &field.ident else { continue };
        let args = label_args(&field.attrs, true, errors);
        let ty = &field.ty;
        let key = args.name.unwrap_or_else(|| LitStr::new(name.to_string().trim_start_matches("r#"), name.span()));
        let as_trait = if args.flatten.is_some() {
            quote_spanned!(ty.span()=> <#ty as ::telemetry_core::Labels>)
        } else {
            judge_key(&key, errors);
            if keys.contains(&key.value()) {
                errors.push(syn::Error::new(
                    key.span(),
                    format!("two labels are called \"{}\": each wants its own key", key.value()),
                ));
            }
            keys.push(key.value());
            quote_spanned!(ty.span()=> <#ty as ::telemetry_core::LabelValue>)
        };
        visits.extend(if args.flatten.is_some() {
            quote!(#as_trait::visit(&self.#name, __visitor);)
        } else {
            quote!(__visitor(#key, #as_trait::value(&self.#name));)
        });
        keys_of.extend(if is_static_str(ty) {
            quote_spanned!(ty.span()=> ::telemetry_core::Key::fixed(__key, self.#name);)
        } else {
            quote!(#as_trait::key(&self.#name, __key);)
        });
        factors.extend(quote!(, #as_trait::CARDINALITY));
        metas.extend(if args.flatten.is_some() {
            quote!(::telemetry_core::__private::LabelMeta::Set(#as_trait::META),)
        } else {
            quote!(::telemetry_core::__private::LabelMeta::Label(#key, #as_trait::VALUES),)
        });
        indices.extend(quote!(__index = __index * #as_trait::CARDINALITY + #as_trait::index(&self.#name);));
        rebuilds.push((name, as_trait));
    }
    // The last field varies fastest, so the index is taken apart from the last field back.
    let taken = |at: usize| format_ident!("__telemetry_{at}");
    let takes = rebuilds.iter().enumerate().rev().map(|(at, (_, as_trait))| {
        let taken = taken(at);
        quote! {
            let #taken = #as_trait::from_index(::telemetry_core::__private::digit(&mut __rest, #as_trait::CARDINALITY))?;
        }
    });
    let rebuilt = rebuilds.iter().enumerate().map(|(at, (name, _))| {
        let taken = taken(at);
        quote!(#name: #taken)
    });
    let bytes = bytes(input);
    let copies = rebuilds.iter().map(|(name, as_trait)| quote!(#name: #as_trait::copied(&self.#name)?));
    quote! {
        impl #generics ::telemetry_core::Labels for #target {
            type With<'__telemetry> = #with;
            const CARDINALITY: ::telemetry_core::__private::usize = ::telemetry_core::__private::cardinality(&[1 #factors]);
            const META: &'static [::telemetry_core::__private::LabelMeta<'static>] = &[#metas];
            #bytes
            #[inline]
            fn index(&self) -> ::telemetry_core::__private::usize {
                #[allow(unused_mut)]
                let mut __index = 0;
                #indices
                __index
            }
            fn from_index(__index: ::telemetry_core::__private::usize) -> ::telemetry_core::__private::core::option::Option<Self> {
                if __index >= <Self as ::telemetry_core::Labels>::CARDINALITY {
                    return ::telemetry_core::__private::core::option::Option::None;
                }
                #[allow(unused_mut)]
                let mut __rest = __index;
                #(#takes)*
                let _ = __rest;
                ::telemetry_core::__private::core::option::Option::Some(Self { #(#rebuilt),* })
            }
            fn visit(
                &self,
                __visitor: &mut dyn ::telemetry_core::__private::core::ops::FnMut(&'static ::telemetry_core::__private::str, ::telemetry_core::Label),
            ) {
                let _ = &__visitor;
                #visits
            }
            #[inline(always)]
            fn key<'__key>(&'__key self, __key: &mut impl ::telemetry_core::Key<'__key>) {
                let _ = &__key;
                #keys_of
            }
            #[inline(always)]
            fn copied(&self) -> ::telemetry_core::__private::core::option::Option<Self> {
                ::telemetry_core::__private::core::option::Option::Some(Self { #(#copies),* })
            }
        }
    }
}

fn on_enum(input: &DeriveInput, data: &DataEnum, errors: &mut Errors) -> TokenStream {
    let (ident, count) = (&input.ident, data.variants.len());
    if count == 0 {
        errors.push(syn::Error::new(ident.span(), "an enum without variants has no label values"));
        return instead(input);
    }
    let (mut values, mut indices, mut rebuilds) = (quote!(), quote!(), quote!());
    let mut texts: Vec<String> = Vec::new();
    for (index, variant) in data.variants.iter().enumerate() {
        if !variant.fields.is_empty() {
            let wanted = "a variant of a label enum has no fields: its values must be known at compile time";
            errors.push(syn::Error::new_spanned(&variant.fields, wanted));
        }
        let args = label_args(&variant.attrs, false, errors);
        let name = &variant.ident;
        let text = args.name.unwrap_or_else(|| LitStr::new(&snake_case(&name.to_string()), name.span()));
        let (text, span) = (text.value(), text.span());
        if texts.contains(&text) {
            errors.push(syn::Error::new(span, format!("two variants have the value \"{text}\": each wants its own")));
        }
        values.extend(quote!(Self::#name { .. } => #text,));
        texts.push(text);
        indices.extend(quote!(Self::#name { .. } => #index,));
        rebuilds.extend(quote!(#index => ::telemetry_core::__private::core::option::Option::Some(Self::#name),));
    }
    let key = own_key(input, errors);
    if !errors.is_empty() {
        return instead(input);
    }
    let labels = labels_of_value(input, &key);
    quote! {
        impl ::telemetry_core::LabelValue for #ident {
            const CARDINALITY: ::telemetry_core::__private::usize = #count;
            const VALUES: &'static [&'static ::telemetry_core::__private::str] = &[#(#texts),*];
            #[inline]
            fn index(&self) -> ::telemetry_core::__private::usize {
                match self { #indices }
            }
            #[inline]
            fn from_index(__index: ::telemetry_core::__private::usize) -> ::telemetry_core::__private::core::option::Option<Self> {
                match __index { #rebuilds _ => ::telemetry_core::__private::core::option::Option::None }
            }
            fn value(&self) -> ::telemetry_core::Label {
                ::telemetry_core::__private::label_text(match self { #values })
            }
            #[inline(always)]
            fn key<'__key>(&'__key self, __key: &mut impl ::telemetry_core::Key<'__key>) {
                ::telemetry_core::Key::word(__key, ::telemetry_core::LabelValue::index(self) as ::telemetry_core::__private::u64);
            }
            #[inline(always)]
            fn copied(&self) -> ::telemetry_core::__private::core::option::Option<Self> {
                <Self as ::telemetry_core::LabelValue>::from_index(<Self as ::telemetry_core::LabelValue>::index(self))
            }
        }
        #labels
    }
}

fn on_newtype(input: &DeriveInput, field: &Field, errors: &mut Errors) -> TokenStream {
    let ty = &field.ty;
    let inner = quote_spanned!(ty.span()=> <#ty as ::telemetry_core::LabelValue>);
    refuse_label(&field.attrs, "the label of a newtype is named on the type: move this there", errors);
    let key = own_key(input, errors);
    let labels = labels_of_value(input, &key);
    let Head { generics, target, .. } = Head::of(input);
    let show = if is_static_str(ty) {
        quote_spanned!(ty.span()=> ::telemetry_core::Key::fixed(__key, self.0);)
    } else {
        quote!(#inner::key(&self.0, __key);)
    };
    quote! {
        impl #generics ::telemetry_core::LabelValue for #target {
            const CARDINALITY: ::telemetry_core::__private::usize = #inner::CARDINALITY;
            const VALUES: &'static [&'static ::telemetry_core::__private::str] = #inner::VALUES;
            #[inline]
            fn index(&self) -> ::telemetry_core::__private::usize {
                #inner::index(&self.0)
            }
            fn from_index(__index: ::telemetry_core::__private::usize) -> ::telemetry_core::__private::core::option::Option<Self> {
                ::telemetry_core::__private::core::option::Option::map(#inner::from_index(__index), Self)
            }
            fn value(&self) -> ::telemetry_core::Label {
                #inner::value(&self.0)
            }
            #[inline(always)]
            fn key<'__key>(&'__key self, __key: &mut impl ::telemetry_core::Key<'__key>) {
                #show
            }
            #[inline(always)]
            fn copied(&self) -> ::telemetry_core::__private::core::option::Option<Self> {
                ::telemetry_core::__private::core::option::Option::map(#inner::copied(&self.0), Self)
            }
        }
        #labels
    }
}

/// An enum or a newtype that stands alone as the labels of a metric: one label, named after the type.
fn labels_of_value(input: &DeriveInput, key: &LitStr) -> TokenStream {
    let (bytes, Head { generics, target, with }) = (bytes(input), Head::of(input));
    quote! {
        impl #generics ::telemetry_core::Labels for #target {
            type With<'__telemetry> = #with;
            const CARDINALITY: ::telemetry_core::__private::usize =
                ::telemetry_core::__private::cardinality(&[<Self as ::telemetry_core::LabelValue>::CARDINALITY]);
            #bytes
            const META: &'static [::telemetry_core::__private::LabelMeta<'static>] =
                &[::telemetry_core::__private::LabelMeta::Label(#key, <Self as ::telemetry_core::LabelValue>::VALUES)];
            #[inline]
            fn index(&self) -> ::telemetry_core::__private::usize {
                ::telemetry_core::LabelValue::index(self)
            }
            fn from_index(__index: ::telemetry_core::__private::usize) -> ::telemetry_core::__private::core::option::Option<Self> {
                <Self as ::telemetry_core::LabelValue>::from_index(__index)
            }
            fn visit(
                &self,
                __visitor: &mut dyn ::telemetry_core::__private::core::ops::FnMut(&'static ::telemetry_core::__private::str, ::telemetry_core::Label),
            ) {
                __visitor(#key, ::telemetry_core::LabelValue::value(self));
            }
            #[inline(always)]
            fn key<'__key>(&'__key self, __key: &mut impl ::telemetry_core::Key<'__key>) {
                ::telemetry_core::LabelValue::key(self, __key);
            }
            #[inline(always)]
            fn copied(&self) -> ::telemetry_core::__private::core::option::Option<Self> {
                <Self as ::telemetry_core::LabelValue>::copied(self)
            }
        }
    }
}

fn own_key(input: &DeriveInput, errors: &mut Errors) -> LitStr {
    let args = label_args(&input.attrs, false, errors);
    let key = args.name.unwrap_or_else(|| LitStr::new(&snake_case(&input.ident.to_string()), input.ident.span()));
    judge_key(&key, errors);
    key
}

/// `GetProviders` to `get_providers`; a run of capitals is one word: `HTTPGet` to `http_get`.
fn snake_case(name: &str) -> String {
    let letters: Vec<char> = name.trim_start_matches("r#").chars().collect();
    let mut out = String::new();
    for (i, &letter) in letters.iter().enumerate() {
        let follows_lower = i > 0 && !letters[i - 1].is_uppercase() && letters[i - 1] != '_';
        let ends_run = i > 0 && letters[i - 1].is_uppercase() && letters.get(i + 1).is_some_and(|next| next.is_lowercase());
        if letter.is_uppercase() && (follows_lower || ends_run) {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::snake_case;

    #[test]
    fn variants_become_snake_case_values() {
        assert_eq!(snake_case("Get"), "get");
        assert_eq!(snake_case("GetProviders"), "get_providers");
        assert_eq!(snake_case("HTTPGet"), "http_get");
        assert_eq!(snake_case("Http2"), "http2");
        assert_eq!(snake_case("Already_Snake"), "already_snake");
    }
}
