//! What may be annotated: a static, with or without an initialiser, or a function.
//!
//! The user's tokens are kept as they were written; on a mistake the item is emitted too, so that nothing else breaks.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Expr, Ident, ItemFn, Meta, ReturnType, Token, Type, Visibility};

/// The annotated item.
#[allow(clippy::large_enum_variant)] // one of these exists for the length of one expansion
pub enum Item {
    Static(StaticItem),
    Fn(ItemFn),
}

/// `#[…] pub static NAME: Type;` or the same with `= expression`.
pub struct StaticItem {
    pub attrs: Vec<Attribute>,
    pub vis: Visibility,
    pub ident: Ident,
    pub ty: Type,
    pub init: Option<Expr>,
}

impl Parse for Item {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let whole = input.fork();
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        if !input.peek(Token![static]) {
            let function = whole.parse::<ItemFn>().map_err(|_| input.error("expected a `static` or a function"))?;
            input.advance_to(&whole);
            return Ok(Self::Fn(function));
        }
        input.parse::<Token![static]>()?;
        if input.peek(Token![mut]) {
            return Err(input.error("a declared static is shared by all threads: remove `mut`"));
        }
        let ident = input.parse()?;
        input.parse::<Token![:]>()?;
        let ty = input.parse()?;
        let init = match input.parse::<Option<Token![=]>>()? {
            Some(_) => Some(input.parse()?),
            None => None,
        };
        input.parse::<Token![;]>()?;
        Ok(Self::Static(StaticItem { attrs, vis, ident, ty, init }))
    }
}

impl Item {
    /// The text of the doc comment.
    pub fn description(&self) -> Description {
        Description::of(self.attrs())
    }

    /// The name of the static or the function.
    pub fn ident(&self) -> &Ident {
        match self {
            Self::Static(item) => &item.ident,
            Self::Fn(item) => &item.sig.ident,
        }
    }

    /// The attributes beside the one that declares.
    pub fn attrs(&self) -> &[Attribute] {
        match self {
            Self::Static(item) => &item.attrs,
            Self::Fn(item) => &item.attrs,
        }
    }

    /// The item without its declaration, for when a mistake stops the expansion.
    pub fn bare(&self) -> TokenStream {
        match self {
            Self::Static(item) => {
                let ty = &item.ty;
                item.with(item.init.as_ref().map_or_else(|| quote!(<#ty>::new()), ToTokens::to_token_stream))
            }
            Self::Fn(item) => item.to_token_stream(),
        }
    }
}

impl StaticItem {
    /// The static with this expression as its initialiser.
    pub fn with(&self, init: TokenStream) -> TokenStream {
        let Self { attrs, vis, ident, ty, .. } = self;
        quote!(#(#attrs)* #vis static #ident: #ty = #init;)
    }
}

/// The type that a function returns; `()` where none is written.
pub fn return_type(item: &ItemFn) -> TokenStream {
    match &item.sig.output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, ty) => ty.to_token_stream(),
    }
}

/// The text of a doc comment: its lines, with a space in the place of each break, and what is not a literal behind them.
pub struct Description {
    text: String,
    /// `#[doc = include_str!(…)]` and the like.
    parts: Vec<TokenStream>,
}

impl Description {
    fn of(attrs: &[Attribute]) -> Self {
        let (mut text, mut parts) = (String::new(), Vec::new());
        for attr in attrs {
            let Meta::NameValue(meta) = &attr.meta else { continue };
            if !meta.path.is_ident("doc") {
                continue;
            }
            if let Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(line), .. }) = &meta.value {
                let line = line.value();
                if !text.is_empty() && !line.trim().is_empty() {
                    text.push(' ');
                }
                text.push_str(line.trim());
            } else {
                parts.push(meta.value.to_token_stream());
            }
        }
        Self { text: text.trim().to_owned(), parts }
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty() && self.parts.is_empty()
    }

    /// The whole text, where it is known here.
    pub fn literal(&self) -> Option<&str> {
        self.parts.is_empty().then_some(&self.text)
    }
}

impl ToTokens for Description {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { text, parts } = self;
        tokens.extend(quote!(::telemetry_core::__private::core::concat!(#text #(, #parts)*)));
    }
}
