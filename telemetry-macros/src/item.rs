//! What may be annotated: a static, with or without an initialiser, or a function.
//!
//! The user's tokens are kept as they were written; on a mistake the item is emitted too, so that nothing else breaks.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Expr, Ident, ItemFn, Meta, ReturnType, Token, TraitItemFn, Type, Visibility};

use crate::caret;

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
    /// A mistake.
    pub mutable: Option<Token![mut]>,
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
            let again = whole.fork();
            let function = whole.parse::<ItemFn>().map_err(|_| refused(&again, input))?;
            input.advance_to(&whole);
            return Ok(Self::Fn(function));
        }
        input.parse::<Token![static]>()?;
        let mutable = input.parse()?;
        let ident = input.parse()?;
        input.parse::<Token![:]>()?;
        let ty = input.parse()?;
        let init = match input.parse::<Option<Token![=]>>()? {
            Some(_) => Some(input.parse()?),
            None => None,
        };
        input.parse::<Token![;]>()?;
        Ok(Self::Static(StaticItem { attrs, vis, mutable, ident, ty, init }))
    }
}

/// Why an item is refused that is neither a static nor a whole function; `ahead` is behind its visibility.
fn refused(whole: ParseStream, ahead: ParseStream) -> syn::Error {
    match whole.parse::<TraitItemFn>() {
        Ok(function) => {
            syn::Error::new(function.sig.ident.span(), "a function without a body cannot be declared: nothing can be called")
        }
        Err(_) if ahead.peek(Token![const]) => ahead.error("a `const` is another value wherever it is named: write `static`"),
        Err(_) => ahead.error("expected a `static` or a function"),
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

    /// The item without its declaration, for when a mistake stops the expansion. `of` is the trait of the types that the attribute may
    /// stand on, of which a static without an initialiser is made.
    pub fn bare(&self, of: &str) -> TokenStream {
        match self {
            Self::Static(item) => {
                let begin = || {
                    let part = caret::part(&item.ty, of);
                    quote!(<#part as ::telemetry_core::__private::Part>::INITIAL)
                };
                item.with(item.init.as_ref().map_or_else(begin, ToTokens::to_token_stream))
            }
            Self::Fn(item) => item.to_token_stream(),
        }
    }
}

impl StaticItem {
    /// What it begins with: the initialiser that the user wrote, or what the type of its record tells.
    pub fn initial(&self) -> TokenStream {
        let told = || quote!(::telemetry_core::__private::initial(&__TELEMETRY_RECORD));
        self.init.as_ref().map_or_else(told, ToTokens::to_token_stream)
    }

    /// The static with this expression as its initialiser.
    pub fn with(&self, init: TokenStream) -> TokenStream {
        let Self { attrs, vis, ident, ty, .. } = self;
        quote!(#(#attrs)* #vis static #ident: #ty = #init;)
    }
}

/// The type that a function returns; where none is written, a `()` that stands at its name.
pub fn return_type(item: &ItemFn) -> TokenStream {
    match &item.sig.output {
        ReturnType::Default => quote_spanned!(item.sig.ident.span()=> ()),
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
