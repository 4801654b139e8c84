//! `#[event]`: on a static only; an event has no state that a function could give.

use proc_macro2::TokenStream;
use quote::quote;

use crate::args::Args;
use crate::expand;
use crate::item::Item;

pub fn expand(args: TokenStream, tokens: TokenStream) -> TokenStream {
    let mut args = Args::parse("event", args, &["name"]);
    let item = match syn::parse2::<Item>(tokens.clone()) {
        Ok(item) => item,
        Err(error) => {
            args.errors.push(error);
            let errors = args.errors.into_tokens();
            return quote!(#errors #tokens);
        }
    };
    let name = args.required("name", "\"connected\"");
    let description = item.description();
    let item = match (item, name.is_some()) {
        (Item::Static(item), true) => item,
        (item, _) => {
            if let Item::Fn(function) = &item {
                let wanted = "an event is declared on a static: `static NAME: Event<Type>;`";
                args.errors.push(syn::Error::new(function.sig.fn_token.span, wanted));
            }
            let (bare, errors) = (item.bare(), args.errors.into_tokens());
            return quote!(#bare #errors);
        }
    };
    let Some(name) = name else { return args.errors.into_tokens() };
    let taken = expand::taken(&name, &item.attrs);
    let declared = expand::declared(&name, &args, description);
    let (checks, ident) = (&declared.checks, &item.ident);
    let registration = declared.registration(
        &quote!("event"),
        &expand::shape(&item.ty),
        |declaration| quote!(::telemetry_core::__private::Entry::event(&#ident, #declaration)),
    );
    let initial = item.initial();
    let errors = args.errors.into_tokens();
    let item = item.with(quote!({ #checks #registration (#initial).__declared(&__TELEMETRY_ENTRY) }));
    quote!(#item #errors #taken)
}
