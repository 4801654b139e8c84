//! What the macros expand to where it is the same for all declarations: the compiler expands these faster than it takes tokens from a
//! procedural macro, and what depends on the target is chosen when this crate is compiled.

/// Adds an element to the slice as linkme's attribute would, without running it: with its check of the element's type, which is the same
/// for all, that takes the compiler 0.7 ms each.
#[doc(hidden)]
#[macro_export]
macro_rules! __telemetry_element_at_once {
    ($element:expr) => {
        $crate::__private::TELEMETRY_DECLARATIONS_V1! {
            #![linkme_macro = $crate::__private::TELEMETRY_DECLARATIONS_V1]
            static __TELEMETRY_ELEMENT: $crate::__private::Element = $element;
        }
    };
}

/// Adds an element to the slice by linkme's attribute.
#[doc(hidden)]
#[macro_export]
macro_rules! __telemetry_element_by_attribute {
    ($element:expr) => {
        #[$crate::__private::linkme::distributed_slice($crate::__private::TELEMETRY_DECLARATIONS_V1)]
        #[linkme(crate = $crate::__private::linkme)]
        static __TELEMETRY_ELEMENT: $crate::__private::Element = $element;
    };
}

/// Given what linkme's attribute makes of an element, says by which of the two all macros add theirs. What the attribute makes is not
/// public, and may be another thing in another version of linkme.
macro_rules! learn {
    (
        #![linkme_macro = $linkme:path]
        static $ident:ident: $ty:ty = {
            $(#[$allow:meta])*
            unsafe fn __typecheck($($parameters:tt)*) { $($body:tt)* }
            unreachable!()
        };
    ) => {
        pub use crate::__telemetry_element_at_once as declared;
    };
    ($($tokens:tt)*) => {
        pub use crate::__telemetry_element_by_attribute as declared;
    };
}

#[linkme::distributed_slice(learn)]
static PROBE: Element = unreachable!();

/// The record of a declaration, in the section of its kind of binary.
#[doc(hidden)]
#[macro_export]
macro_rules! __telemetry_record {
    ($size:expr, [$begin:tt $($part:tt)*] $end:tt, $fields:expr) => {
        #[cfg_attr(not(any(target_vendor = "apple", windows)), unsafe(link_section = ".telemetry.meta"))]
        #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__telemetry_meta"))]
        #[cfg_attr(windows, unsafe(link_section = ".tlmmeta"))]
        #[allow(clippy::type_complexity)] // for its caret it passes for the user's
        static __TELEMETRY_RECORD: $begin telemetry_core::__private::Written<
            { $size },
            $($part)*,
            {
                $crate::__private::core::concat!(
                    $crate::__private::core::module_path!(), "\0", $crate::__private::core::module_path!(), "\0"
                ).len()
            },
        $end = $crate::__private::Written::new(
            $fields,
            $crate::__private::core::cfg!(test),
            $crate::__private::core::concat!(
                $crate::__private::core::module_path!(), "\0", $crate::__private::core::module_path!(), "\0"
            ),
        );
    };
}

/// A metric that says no more than its texts, all of them literals: by far the most.
#[doc(hidden)]
#[macro_export]
macro_rules! __telemetry_metric {
    ([$($head:tt)*] $ident:ident [$($ty:tt)*] [$begin:tt $($part:tt)*] $end:tt [$($taken:tt)*] $size:literal $fields:literal) => {
        $($head)* static $ident: $($ty)* = {
            $crate::__private::record!($size, [$begin $($part)*] $end, *$fields);
            $crate::__private::declared!($crate::__private::element::metric(&__TELEMETRY_RECORD, &$ident));
            $($taken)*
            <$($part)* as $crate::__private::Part>::INITIAL
        };
    };
}

/// What tells the schema of what the declaration of a record is of.
#[doc(hidden)]
#[macro_export]
macro_rules! __telemetry_schema {
    ($record:ident) => {{
        #[allow(unused_imports)] // one of them is
        use $crate::__private::{Described as _, Undescribed as _};
        || (&$crate::__private::probe(&$record)).schema()
    }};
}

/// What tells the schemas of what the rpc of a record takes and answers.
#[doc(hidden)]
#[macro_export]
macro_rules! __telemetry_schemas {
    ($record:ident) => {{
        #[allow(unused_imports)] // one of them is
        use $crate::__private::{Described as _, Undescribed as _};
        (|| (&$crate::__private::probe_request(&$record)).schema(), || (&$crate::__private::probe_response(&$record)).schema())
    }};
}

/// What finds a name when another crate declares it: a symbol that a program can have once, whose name is what the linker says then.
///
/// It is in a group (COMDAT) of its package and crate, of which the linker keeps one, so that two versions of a crate do not disturb each other, nor a
/// crate and its copy under test. Fat LTO assembles all crates at once, before there are groups: there a label of the same name keeps the
/// first. All of this is within the item that is declared or the `const` beside it, because the compiler puts a module of its own into an
/// object of its own, which nothing pulls from a library; what is within another item goes where the declaration goes, which is always
/// linked.
#[doc(hidden)]
#[macro_export]
macro_rules! __telemetry_taken {
    ($ident:ident $name:literal $place:literal) => {
        mod $ident {
            // since it is for items
            $crate::__private::core::arch::global_asm!($crate::__private::core::concat!(
                ".ifndef \".L",
                $place,
                "\"\n.pushsection .telemetry.names, \"aGR\", %progbits, \"",
                $place,
                "\", comdat\n.hidden \"two declarations have one name: ",
                $name,
                "\"\n.globl \"two declarations have one name: ",
                $name,
                "\"\n\"two declarations have one name: ",
                $name,
                "\":\n\".L",
                $place,
                "\":\n.byte 0\n.popsection\n.endif"
            ));
        }
    };
}

/// Nothing: where the linker cannot find a name that is declared twice, the start does.
#[doc(hidden)]
#[macro_export]
macro_rules! __telemetry_untaken {
    ($($ignored:tt)*) => {};
}

// Where inline assembly is stable; asked here, once, and not at each declaration.
cfg_select! {
    all(
        target_os = "linux",
        any(
            target_arch = "aarch64",
            target_arch = "arm",
            target_arch = "loongarch64",
            target_arch = "riscv32",
            target_arch = "riscv64",
            target_arch = "s390x",
            target_arch = "x86",
            target_arch = "x86_64"
        ),
        not(miri)
    ) => { pub use crate::__telemetry_taken as taken; }
    _ => { pub use crate::__telemetry_untaken as taken; }
}

pub use crate::{
    __telemetry_metric as metric, __telemetry_record as record, __telemetry_schema as schema, __telemetry_schemas as schemas,
};
