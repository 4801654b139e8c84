//! What all declarations share: the checks of their texts, the record in the binary, the element of the linkme slice, and what finds
//! a name that is declared twice.

use std::env;

use proc_macro2::{Literal, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Attribute, Expr, ExprLit, FnArg, ItemFn, Lit, LitBool, Safety};

use crate::args::Args;
use crate::caret;
use crate::item::{Description, Item, StaticItem};
use crate::lint;
use crate::text::{self, Text};
use crate::write::Meta;

/// The begin of every expansion: arguments and item; where the item is none, what to leave in its place.
pub fn parse(macro_name: &str, known: &[&str], args: TokenStream, tokens: TokenStream) -> Result<(Args, Item), TokenStream> {
    let mut args = Args::parse(macro_name, args, known);
    if let Some(first) = tokens.clone().into_iter().next() {
        args.site = first.span().located_at(args.site); // so that it counts as written, and not as made by a macro
    }
    match syn::parse2(tokens.clone()) {
        Ok(item) => {
            if let Item::Static(StaticItem { mutable: Some(token), .. }) = &item {
                args.errors.push(syn::Error::new(token.span, "a declared static is shared by all threads: remove `mut`"));
            }
            Ok((args, item))
        }
        Err(error) => {
            args.errors.push(error);
            let errors = args.errors.into_tokens();
            Err(quote!(#errors #tokens))
        }
    }
}

/// The end of every expansion: what declares, or, where there are mistakes, the item alone beside them. `of` is the trait of the types
/// that the attribute may stand on.
pub fn finished(args: Args, item: &Item, of: &str, declaring: TokenStream) -> TokenStream {
    if args.errors.is_empty() {
        return declaring;
    }
    let (bare, errors) = (item.bare(of), args.errors.into_tokens());
    quote!(#bare #errors)
}

/// What a declaration says, but for its kind and its labels.
pub struct Declared {
    name: Option<Text>,
    unit: Option<Text>,
    description: Description,
    shared: bool,
    access: &'static str,
    on_demand: bool,
    /// Whether it has a public name: all but collectors.
    named: bool,
    /// Checks that are left to the compiler.
    pub checks: TokenStream,
    pub bounds: Option<Bounds>,
    pub every: Option<(Option<u64>, TokenStream)>,
}

/// The bounds of a histogram: as they were written, and as numbers where all are literals.
pub struct Bounds {
    pub written: TokenStream,
    pub numbers: Option<Vec<f64>>,
}

impl Declared {
    pub fn new(args: &mut Args, item: &Item, example: &str) -> Self {
        let name = if args.required("name", example) { text::text(args, "name") } else { None };
        let unit = text::text(args, "unit");
        let mut checks = quote!();
        if let Some(name) = &name {
            checks.extend(text::judged(args, name, text::NAME));
        }
        if let Some(unit) = &unit {
            checks.extend(text::judged(args, unit, text::UNIT));
        }
        let shared = match args.get("shared") {
            None => false,
            Some(Expr::Lit(ExprLit { lit: Lit::Bool(LitBool { value, .. }), .. })) => *value,
            Some(other) => {
                let error = syn::Error::new_spanned(other, "`shared` is `true` or `false`");
                args.errors.push(error);
                false
            }
        };
        let (access, on_demand, description) = (text::access(args), args.get("on_demand").is_some(), item.description());
        Self { name, unit, description, shared, access, on_demand, named: true, checks, bounds: None, every: None }
    }

    /// Refuses the name of the stream of all metrics, which an event or a snapshot cannot have.
    pub fn streamed(&self, args: &mut Args) {
        if let Some(Text::Literal(name)) =
            self.name.as_ref().filter(|name| name.value().is_some_and(|name| name.eq_ignore_ascii_case("metrics")))
        {
            args.errors
                .push(syn::Error::new(name.span(), "\"metrics\" is the name of the stream of all metrics: write another one"));
        }
    }

    /// A collector, which has no public name.
    pub fn unnamed(name: &syn::Ident, item: &Item) -> Self {
        let name = Some(Text::Literal(syn::LitStr::new(&name.to_string(), name.span())));
        let description = item.description();
        Self {
            name,
            unit: None,
            description,
            shared: false,
            access: "",
            on_demand: false,
            named: false,
            checks: quote!(),
            bounds: None,
            every: None,
        }
    }

    /// The name, as an expression.
    pub fn name(&self) -> TokenStream {
        self.name.to_token_stream()
    }

    /// Whether it is an event that is emitted on demand.
    pub fn is_on_demand(&self) -> bool {
        self.on_demand
    }

    /// The record in the binary and the element of the distributed slice. `ty` is the type of the value as it is told, `part` the type
    /// of what the item's type tells; `element` is the function that makes the element, with what it is called with.
    pub fn registration(&self, ty: &impl ToTokens, part: &TokenStream, element: &TokenStream) -> TokenStream {
        let (meta, size, fields) = self.fields(&written(ty));
        let (checks, taken) = (&self.checks, self.taken());
        let framed = caret::framed(part);
        quote! {
            #checks
            #meta
            ::telemetry_core::__private::record!(#size, #framed, #fields);
            ::telemetry_core::__private::declared!(::telemetry_core::__private::element::#element);
            #taken
        }
    }

    /// The size and the bytes of the first fields, where all texts are literals.
    pub fn literals(&self, ty: &impl ToTokens) -> Option<(usize, Literal)> {
        let bytes = self.literal_fields(&written(ty))?;
        Some((bytes.len(), Literal::byte_string(&bytes)))
    }

    /// The first fields of the record: a const that they need, their size, and the bytes.
    fn fields(&self, ty: &str) -> (TokenStream, TokenStream, TokenStream) {
        if let Some(bytes) = self.literal_fields(ty) {
            let size = bytes.len();
            let bytes = Literal::byte_string(&bytes);
            return (quote!(), quote!(#size), quote!(*#bytes));
        }
        let absent = quote!("");
        let name = self.name.as_ref().map_or_else(|| absent.clone(), ToTokens::to_token_stream);
        let unit = self.unit.as_ref().map_or_else(|| absent.clone(), ToTokens::to_token_stream);
        let option = |value: Option<TokenStream>| match value {
            Some(value) => quote!(::telemetry_core::__private::core::option::Option::Some(#value)),
            None => quote!(::telemetry_core::__private::core::option::Option::None),
        };
        let bounds = option(self.bounds.as_ref().map(|bounds| bounds.written.clone()));
        let every = option(self.every.as_ref().map(|(_, every)| every.clone()));
        let Place { package, version, file, line } = Place::here();
        let Self { description, shared, access, on_demand, .. } = self;
        let meta = quote! {
            const __TELEMETRY_META: ::telemetry_core::__private::Meta<'static> = ::telemetry_core::__private::Meta {
                name: #name,
                unit: #unit,
                description: #description,
                package: #package,
                version: #version,
                file: #file,
                line: #line,
                ty: #ty,
                bounds: #bounds,
                every_ms: #every,
                shared: #shared,
                access: #access,
                on_demand: #on_demand,
            };
        };
        (meta, quote!(__TELEMETRY_META.size()), quote!(__TELEMETRY_META.encode()))
    }

    /// None where a part is not a literal.
    fn literal_fields(&self, ty: &str) -> Option<Vec<u8>> {
        let Place { package, version, file, line } = Place::here();
        let unit = self.unit.as_ref().map_or_else(|| Some(String::new()), Text::value)?;
        let every_ms = match &self.every {
            Some((every, _)) => Some((*every)?),
            None => None,
        };
        let bounds = match &self.bounds {
            Some(bounds) => Some(bounds.numbers.as_deref()?),
            None => None,
        };
        let meta = Meta {
            name: &self.name.as_ref()?.value()?,
            unit: &unit,
            description: self.description.literal()?,
            package: &package,
            version: &version,
            file: &file,
            line,
            ty,
            bounds,
            every_ms,
            shared: self.shared,
            access: self.access,
            on_demand: self.on_demand,
        };
        let mut bytes = vec![0; meta.size()];
        meta.write(&mut bytes);
        Some(bytes)
    }

    /// What is said of it though it is allowed; `counter` of a metric, true where it is known to be one.
    pub fn warned(&self, item: &Item, counter: Option<bool>) -> TokenStream {
        let name = match (&self.name, counter) {
            (Some(Text::Literal(name)), Some(counter)) => lint::name(&name.value(), counter, name.span()),
            _ => None,
        };
        let unit = match &self.unit {
            Some(Text::Literal(unit)) => lint::unit(&unit.value(), unit.span()),
            _ => None,
        };
        lint::told(name.into_iter().chain(unit).chain(lint::description(item.ident(), !self.description.is_empty())), item.attrs())
    }

    /// What finds the name when it is declared again, where it is a literal. In one crate: an item that a crate can have once for each
    /// name, whatever its case; the compiler points at the name. In others, unless they may share it: see `taken!`.
    pub fn taken(&self) -> TokenStream {
        let Some(Text::Literal(name)) = self.name.as_ref().filter(|_| self.named) else { return quote!() };
        // Made here, but seen where the name stands.
        let span = Span::call_site().located_at(name.span());
        let ident = syn::Ident::new(&format!("two_declarations_have_the_name_{}", identifier(&name.value())), span);
        let in_crate = quote_spanned! {span=>
            #[doc(hidden)]
            #[allow(non_local_definitions)]
            #[macro_export]
            macro_rules! #ident {
                () => {};
            }
        };
        if self.shared {
            return in_crate;
        }
        let lower = name.value().to_ascii_lowercase();
        let place = format!("{} {} {lower}", cargo("CARGO_PKG_NAME"), cargo("CARGO_CRATE_NAME"));
        quote!(#in_crate ::telemetry_core::__private::taken!(#ident #lower #place);)
    }
}

/// What cargo tells of the crate; other build systems set it, or do without.
fn cargo(key: &str) -> String {
    env::var(key).unwrap_or_default()
}

/// Where a declaration stands, as far as a macro knows.
struct Place {
    package: String,
    version: String,
    file: String,
    line: u32,
}

impl Place {
    fn here() -> Self {
        let (package, version) = (cargo("CARGO_PKG_NAME"), cargo("CARGO_PKG_VERSION"));
        let site = proc_macro::is_available().then(proc_macro::Span::call_site);
        let (file, line) = site.map_or_else(|| (String::new(), 0), |site| (site.file(), site.line()));
        Self { package, version, file, line: u32::try_from(line).unwrap_or(u32::MAX) }
    }
}

/// A type as it was written, without the spaces between its tokens where people write none.
fn written(ty: &impl ToTokens) -> String {
    let mut text = ty.to_token_stream().to_string();
    for (from, to) in [(" < ", "<"), (" >", ">"), (" :: ", "::"), (":: ", "::"), (" ,", ","), ("& ", "&"), ("< ", "<"), (" <", "<")]
    {
        text = text.replace(from, to);
    }
    text
}

/// The item and, under the same `cfg`s, what declares it.
pub fn beside(item: &ItemFn, declaring: &TokenStream) -> TokenStream {
    let cfgs = cfgs(&item.attrs);
    quote! {
        #item
        #cfgs
        #[allow(deprecated)] // the item may be
        const _: () = { #declaring };
    }
}

/// The conditions under which an item is there.
fn cfgs(attrs: &[Attribute]) -> TokenStream {
    let cfgs = attrs.iter().filter(|attr| attr.path().is_ident("cfg"));
    quote!(#(#cfgs)*)
}

/// The name as part of an identifier: what cannot be in one is a number, and so is an underscore that follows one.
fn identifier(name: &str) -> String {
    let mut out = String::new();
    for letter in name.to_ascii_lowercase().chars() {
        match letter {
            '_' if !out.ends_with('_') => out.push('_'),
            letter if letter.is_ascii_alphanumeric() => out.push(letter),
            other => out.push_str(&format!("__{:x}_", u32::from(other))),
        }
    }
    out
}

/// Refuses what a declared function cannot be.
pub fn plain_function(args: &mut Args, item: &ItemFn, what: &str, parameters_max: usize, async_allowed: bool) {
    let signature = &item.sig;
    if !signature.generics.params.is_empty() {
        let error = format!("{what} cannot be generic: it is called without types");
        args.errors.push(syn::Error::new_spanned(&signature.generics, error));
    }
    if let (Some(token), false) = (&signature.asyncness, async_allowed) {
        args.errors.push(syn::Error::new_spanned(token, format!("{what} cannot be async: it is called from a plain thread")));
    }
    if let Safety::Unsafe(token) = &signature.safety {
        args.errors.push(syn::Error::new_spanned(token, format!("{what} cannot be unsafe: nobody vouches for its call")));
    }
    if let Some(abi) = &signature.abi {
        args.errors.push(syn::Error::new_spanned(abi, format!("{what} cannot be `extern`: it is called from Rust")));
    }
    if let Some(FnArg::Receiver(receiver)) = signature.inputs.first() {
        args.errors.push(syn::Error::new_spanned(receiver, format!("{what} cannot be a method: it is called without a value")));
    } else if let Some(extra) = signature.inputs.iter().nth(parameters_max) {
        let allowed = if parameters_max == 0 { "takes no parameters" } else { "takes one parameter, the request" };
        args.errors.push(syn::Error::new_spanned(extra, format!("{what} {allowed}")));
    }
    let inputs = signature.inputs.iter().take(parameters_max).filter_map(|input| match input {
        FnArg::Typed(parameter) => Some(parameter.ty.to_token_stream()),
        FnArg::Receiver(_) => None,
    });
    for ty in inputs.chain([signature.output.to_token_stream()]) {
        if let Some(token) = unnamed(ty) {
            args.errors.push(syn::Error::new_spanned(token, format!("{what} cannot have an `impl Trait`: name the type")));
        }
    }
}

/// The first `impl` of a type.
fn unnamed(ty: TokenStream) -> Option<TokenTree> {
    ty.into_iter().find_map(|token| match token {
        TokenTree::Group(group) => unnamed(group.stream()),
        TokenTree::Ident(ident) if ident == "impl" => Some(ident.into()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_in_more_than_case_have_identifiers_of_their_own() {
        let names = ["a_b", "a__b", "a.b", "a-b", "a/b", "ab", "a_2e_b", "a__2e_b", "b_a"];
        for (i, one) in names.iter().enumerate() {
            for (j, other) in names.iter().enumerate() {
                assert_eq!(identifier(one) == identifier(other), i == j, "{one} {other}");
            }
            assert_eq!(identifier(one), identifier(&one.to_uppercase()));
            assert!(syn::parse_str::<syn::Ident>(&format!("x{}", identifier(one))).is_ok(), "{one}");
        }
    }

    #[test]
    fn types_are_told_as_people_write_them() {
        let written = |text: &str| written(&syn::parse_str::<syn::Type>(text).expect("a type"));
        for text in ["Counter", "Counter<Call>", "telemetry_core::Counter<(A, B)>", "Event<&'static str>", "Snapshot<Vec<Peer>>"] {
            assert_eq!(written(text), text);
        }
    }
}
