//! No way from the runtime's code to a panic or an allocation: searched in what the linker joined,
//! not in what the sources say.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::elf::Elf;
use super::owner::Owner;
use super::sizes::pieces;

/// A way out of the runtime to a function that must not be reached.
#[derive(Debug)]
pub struct Way {
    /// File and line of the last code of the runtime on it, or its function's name.
    pub from: String,
    /// Functions on the way, the unwanted one last.
    pub through: Vec<String>,
}

/// A function that only panics and allocations need.
fn unwanted(name: &str) -> bool {
    let name = name.trim_start_matches('<');
    name.starts_with("core::panicking::")
        || name.starts_with("alloc::")
        || ["__rust_alloc", "__rust_realloc", "__rust_dealloc", "__rdl_", "__rg_"].iter().any(|start| name.starts_with(start))
}

/// A function of the program's logger. `defmt` gives these names to any logger that a program
/// links. It calls them when a type of the runtime writes itself into a log.
fn is_logger(name: &str) -> bool {
    name.starts_with("_defmt_")
}

/// The shortest way from every place where one leaves the runtime, in the order of the places. An
/// edge is any reference that the linker resolved: a call, a jump, an address that is taken, also
/// in tables of methods. Functions of the firmware and its logger are not followed: what they do
/// when the runtime calls them is theirs.
pub fn ways(elf: &Elf) -> Vec<Way> {
    let graph = Graph::new(elf);
    let mut found: BTreeMap<(String, String), Way> = BTreeMap::new();
    for (function, symbol) in elf.symbols.iter().enumerate().filter(|(_, symbol)| symbol.code) {
        for reference in elf.references_from(symbol.address, symbol.address + symbol.size) {
            let Some(first) = graph.node(reference.to).filter(|node| *node != Node::Function(function)) else { continue };
            let Some(way) = graph.search(first) else { continue };
            // Whoever calls this code of the runtime is on a way too; one line for each place says
            // it all.
            if way.iter().any(|node| graph.is_runtime(*node)) {
                continue;
            }
            let through = graph.names(&way);
            let origin = elf.origin(reference.from);
            // A generic function of another crate has no line of its own in the repository.
            if origin.owner.is_runtime() {
                let from = origin.place.map_or_else(|| symbol.name.clone(), |place| format!("{place} in {}", symbol.name));
                let key = (from.clone(), through.last().cloned().unwrap_or_default());
                found.entry(key).or_insert(Way { from, through });
            }
        }
    }
    found.into_values().collect()
}

/// Thing that refers to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Node {
    /// A function, by its index among the symbols.
    Function(usize),
    /// A piece of data, by its first address.
    Data(u64),
}

struct Graph<'e> {
    elf: &'e Elf,
    /// End of each piece of data, by its start.
    data: BTreeMap<u64, u64>,
    /// Functions by their address.
    functions: HashMap<u64, usize>,
    /// The runtime's functions, by their index among the symbols.
    runtime: BTreeSet<usize>,
    /// References of each function and piece of data; nothing for functions of the firmware and
    /// its logger.
    next: HashMap<Node, BTreeSet<Node>>,
}

impl<'e> Graph<'e> {
    fn new(elf: &'e Elf) -> Self {
        let sections = elf.sections.iter().filter(|section| !section.code && !section.uninitialised);
        let data = sections.flat_map(|section| pieces(elf, section)).collect();
        let functions = elf.symbols.iter().enumerate().filter(|(_, symbol)| symbol.code).map(|(index, symbol)| (symbol.address, index)).collect();
        let of_runtime = elf.symbols.iter().enumerate().filter(|(_, symbol)| symbol.code && elf.outermost(symbol).is_runtime());
        let runtime = of_runtime.map(|(index, _)| index).collect();
        let mut graph = Self { elf, data, functions, runtime, next: HashMap::new() };
        let followed = elf.symbols.iter().enumerate().filter(|(_, symbol)| symbol.code && elf.outermost(symbol) != Owner::Firmware && !is_logger(&symbol.name));
        let functions = followed.map(|(index, symbol)| (Node::Function(index), graph.referred(symbol.address, symbol.address + symbol.size)));
        let data = graph.data.iter().map(|(&start, &end)| (Node::Data(start), graph.referred(start, end)));
        graph.next = functions.chain(data).collect();
        graph
    }

    /// The thing at `address`.
    fn node(&self, address: u64) -> Option<Node> {
        if let Some(&function) = self.functions.get(&address) {
            return Some(Node::Function(function));
        }
        let (&start, _) = self.data.range(..=address).next_back().filter(|(_, end)| address < **end)?;
        Some(Node::Data(start))
    }

    /// References of the addresses `first..end`.
    fn referred(&self, first: u64, end: u64) -> BTreeSet<Node> {
        self.elf.references_from(first, end).iter().filter_map(|reference| self.node(reference.to)).collect()
    }

    /// The shortest way from `first` to an unwanted function, both included.
    fn search(&self, first: Node) -> Option<Vec<Node>> {
        let mut came_from = BTreeMap::from([(first, None)]);
        let mut queue = VecDeque::from([first]);
        while let Some(node) = queue.pop_front() {
            if let Node::Function(index) = node
                && unwanted(&self.elf.symbols[index].name)
            {
                let mut way: Vec<Node> = std::iter::successors(Some(node), |node| came_from.get(node).copied().flatten()).collect();
                way.reverse();
                return Some(way);
            }
            for &next in self.next.get(&node).into_iter().flatten() {
                came_from.entry(next).or_insert_with(|| {
                    queue.push_back(next);
                    Some(node)
                });
            }
        }
        None
    }

    fn is_runtime(&self, node: Node) -> bool {
        matches!(node, Node::Function(index) if self.runtime.contains(&index))
    }

    fn names(&self, way: &[Node]) -> Vec<String> {
        let name = |node: &Node| match *node {
            Node::Function(index) => self.elf.symbols[index].name.clone(),
            Node::Data(start) => format!("data at {start:#x}"),
        };
        way.iter().map(name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loggers_are_known_by_the_names_that_defmt_gives_them() {
        assert!(is_logger("_defmt_write") && is_logger("_defmt_acquire"));
        assert!(!is_logger("defmt::export::istr") && !is_logger("core::panicking::panic_fmt"));
    }
}
