//! Which declarations may have one name, or names that Prometheus shows as one: the rule for a program at its start and for its binary.
//!
//! Cost: linear in the declarations, whatever they say of themselves.

use std::collections::HashMap;

/// What counts of a declaration where another has its name.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The word of its kind.
    pub kind: &'a str,
    /// Its unit.
    pub unit: &'a str,
    /// The package that declares.
    pub package: &'a str,
    /// The package's version.
    pub version: &'a str,
    /// The path of the module.
    pub module: &'a str,
    /// Whether other crates may declare the name as well.
    pub shared: bool,
    /// Whether its crate is compiled for its own tests.
    pub under_test: bool,
}

/// Why declarations may not have one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Neither is there to be shared.
    Twice,
    /// One says that it is shared, and the other does not.
    OneShares,
    /// Both are shared, and their kinds or units differ.
    Unlike,
}

impl<'a> Claim<'a> {
    fn krate(&self) -> &'a str {
        self.module.split("::").next().unwrap_or_default()
    }

    /// What Prometheus calls the kind.
    fn shown_kind(&self) -> &'a str {
        if self.kind == "up_down_counter" { "gauge" } else { self.kind }
    }
}

/// The first two of declarations with one name that may not both have it.
///
/// Of one package they are in different versions, or in a crate and its copy that is under test; several packages share the name.
pub fn of_one_name(claims: &[Claim]) -> Option<(usize, usize, Fault)> {
    let mut copies: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    for (again, claim) in claims.iter().enumerate() {
        let known = copies.entry((claim.package, claim.version)).or_default();
        let is_copy = |first: usize| {
            claims.get(first).is_some_and(|first| first.krate() == claim.krate() && first.under_test != claim.under_test)
        };
        if let Some(first) = known.iter().find(|first| !is_copy(**first)) {
            return Some((*first, again, Fault::Twice));
        }
        known.push(again); // two at most, since a third is no copy of one of them
    }
    let first = claims.first()?;
    let (other, _) = claims.iter().enumerate().find(|(_, claim)| claim.package != first.package)?;
    // From here on several packages have it.
    let of_other_package = |claim: &Claim| if claim.package == first.package { other } else { 0 };
    if let Some((at, claim)) = claims.iter().enumerate().find(|(_, claim)| !claim.shared) {
        let rival = of_other_package(claim);
        let fault = if claims.get(rival).is_some_and(|rival| rival.shared) { Fault::OneShares } else { Fault::Twice };
        return Some((at.min(rival), at.max(rival), fault));
    }
    let like = |claim: &Claim| claim.kind == first.kind && claim.unit == first.unit;
    claims.iter().position(|claim| !like(claim)).map(|at| (0, at, Fault::Unlike))
}

/// The first two of metrics that Prometheus shows as one, with their names, which it cannot tell apart.
///
/// Series of several packages are told apart by their scope, if they are of one kind; those of one package are not.
pub fn of_one_series(claims: &[(&str, Claim)]) -> Option<(usize, usize)> {
    let mut names: HashMap<(&str, &str), usize> = HashMap::new();
    let (_, first) = claims.first()?;
    for (again, (name, claim)) in claims.iter().enumerate() {
        let known = *names.entry((claim.package, claim.version)).or_insert(again);
        if claims.get(known).is_some_and(|(known, _)| !known.eq_ignore_ascii_case(name)) {
            return Some((known, again));
        }
        if claim.package != first.package && claim.shown_kind() != first.shown_kind() {
            return Some((0, again));
        }
    }
    None
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// `package version module`, with `shared` and `test` where they hold.
    fn claim(text: &'static str) -> Claim<'static> {
        let mut words = text.split(' ');
        let mut next = || words.next().unwrap_or_default();
        let (package, version, module) = (next(), next(), next());
        let (shared, under_test) = (text.contains("shared"), text.contains("test"));
        Claim { kind: "counter", unit: "s", package, version, module, shared, under_test }
    }

    fn fault(texts: &[&'static str]) -> Option<(usize, usize, Fault)> {
        of_one_name(&texts.iter().map(|text| claim(text)).collect::<Vec<_>>())
    }

    #[test]
    fn a_crate_has_a_name_once_wherever_it_stands() {
        assert_eq!(fault(&["a 1 a"]), None);
        assert_eq!(fault(&["a 1 a", "a 1 a"]), Some((0, 1, Fault::Twice)), "a library and a program of one package");
        assert_eq!(fault(&["a 1 a::x", "a 1 a::y shared"]), Some((0, 1, Fault::Twice)));
    }

    #[test]
    fn versions_of_a_crate_and_its_copy_under_test_do_not_disturb_each_other() {
        assert_eq!(fault(&["a 1 a", "a 2 a::moved", "a 3 a"]), None);
        assert_eq!(fault(&["a 1 a", "a 1 a test"]), None);
        assert_eq!(fault(&["a 1 a test", "a 1 a", "a 1 a"]), Some((1, 2, Fault::Twice)));
        assert_eq!(fault(&["a 1 a", "a 1 integration test"]), Some((0, 1, Fault::Twice)), "a test's own is not the crate's copy");
    }

    #[test]
    fn packages_share_a_name_if_all_say_so_and_mean_the_same() {
        assert_eq!(fault(&["a 1 a shared", "b 1 b shared", "c 2 c shared"]), None);
        assert_eq!(fault(&["a 1 a", "b 1 b"]), Some((0, 1, Fault::Twice)));
        assert_eq!(fault(&["a 1 a shared", "b 1 b"]), Some((0, 1, Fault::OneShares)));
        assert_eq!(fault(&["a 1 a shared", "a 2 a", "b 1 b shared"]), Some((1, 2, Fault::OneShares)));
        let gauge = Claim { kind: "gauge", ..claim("b 1 b shared") };
        assert_eq!(of_one_name(&[claim("a 1 a shared"), gauge]), Some((0, 1, Fault::Unlike)));
    }

    #[test]
    fn prometheus_tells_packages_apart_by_scope_and_not_two_metrics_of_one() {
        let one = |claims: &[(&'static str, &'static str)]| {
            of_one_series(&claims.iter().map(|(name, text)| (*name, claim(text))).collect::<Vec<_>>())
        };
        assert_eq!(one(&[("x.y", "a 1 a"), ("x_y", "b 1 b")]), None);
        assert_eq!(one(&[("x.y", "a 1 a"), ("x_y", "a 1 a")]), Some((0, 1)));
        assert_eq!(one(&[("x.y", "a 1 a"), ("x_y", "a 2 a")]), None, "a later version may rename it");
        let gauge = Claim { kind: "gauge", ..claim("b 1 b") };
        assert_eq!(of_one_series(&[("x.y", claim("a 1 a")), ("x_y", gauge)]), Some((0, 1)), "one name has one type");
    }

    #[test]
    fn many_declarations_of_one_name_take_no_time_to_speak_of() {
        let packages: Vec<String> = (0..100_000).map(|number| format!("p{number}")).collect();
        let claims: Vec<_> = packages.iter().map(|package| Claim { package, ..claim("a 1 a shared") }).collect();
        assert_eq!(of_one_name(&claims), None); // pairs would be ten thousand million
    }
}
