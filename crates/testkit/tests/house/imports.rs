//! Which file of a crate imports which, read from the sources.
//!
//! An import is a path that leads into another file of the crate, in a `use`, a type or an expression. It leads to the file that
//! defines the name, however many `pub use` lie in between. `mod child;` imports nothing, and what only tests use does not count.
//! In a macro call, paths are seen only if its arguments are expressions, as in `vec![a::b()]`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, Item, ItemMod, ItemUse, Macro, Token, UseTree, Visibility};

/// A file -> the files it imports -> the names it takes from them.
pub type Imports = BTreeMap<PathBuf, BTreeMap<PathBuf, BTreeSet<String>>>;

/// Of all that `lib.rs` and `main.rs` of this folder lead to.
pub fn imports_of_crate(src: &Path) -> Imports {
    let mut imports = Imports::new();
    for root in ["lib.rs", "main.rs"].map(|name| src.join(name)).into_iter().filter(|root| root.is_file()) {
        let mut modules = Modules::default();
        modules.read(&root, src, Vec::new());
        modules.collect(&mut imports);
    }
    imports
}

type ModulePath = Vec<String>;

/// The modules of a crate. Those written inside a file are modules, too, in that file.
#[derive(Default)]
struct Modules(BTreeMap<ModulePath, Module>);

#[derive(Default)]
struct Module {
    file: PathBuf,
    /// What its `use` lines bring in: a name -> its path as written.
    brought: BTreeMap<String, Vec<String>>,
    /// Those of them that it keeps to itself.
    kept: BTreeSet<String>,
    /// Paths of which it brings in everything.
    globs: Vec<Vec<String>>,
    /// What it defines itself.
    defined: BTreeSet<String>,
    /// Every path with more than one part that its code takes.
    taken: Vec<Vec<String>>,
    /// Every name without a path that its code takes. Local variables are among them.
    bare: BTreeSet<String>,
}

impl Modules {
    fn read(&mut self, file: &Path, folder: &Path, path: ModulePath) {
        let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.read_items(&parsed.items, file, folder, path);
    }

    /// `folder`: where the files of child modules are.
    fn read_items(&mut self, items: &[Item], file: &Path, folder: &Path, path: ModulePath) {
        let mut module = Module { file: file.to_owned(), ..Module::default() };
        for item in items {
            if let Item::Mod(child) = item {
                if !is_test(&child.attrs) {
                    self.read_child(child, file, folder, &path);
                }
                continue;
            }
            module.visit_item(item);
        }
        self.0.insert(path, module);
    }

    fn read_child(&mut self, child: &ItemMod, file: &Path, folder: &Path, parent: &ModulePath) {
        let name = child.ident.to_string();
        let path: ModulePath = parent.iter().cloned().chain([name.clone()]).collect();
        let folder_of_child = folder.join(&name);
        match &child.content {
            Some((_, items)) => self.read_items(items, file, &folder_of_child, path),
            None => {
                let beside = folder.join(format!("{name}.rs"));
                let file = if beside.is_file() { beside } else { folder_of_child.join("mod.rs") };
                self.read(&file, &folder_of_child, path);
            }
        }
    }

    fn collect(&self, imports: &mut Imports) {
        for (path, module) in &self.0 {
            let of_file = imports.entry(module.file.clone()).or_default();
            for taken in module.taken.iter().chain(module.brought.values()).chain(&module.globs) {
                if let Some((file, name)) = self.resolve(path, taken, 0)
                    && file != module.file
                {
                    of_file.entry(file).or_default().insert(name);
                }
            }
            for name in module.bare.iter().filter(|name| !module.knows(name)) {
                if let Some((file, name)) = self.find(path, std::slice::from_ref(name), 0)
                    && file != module.file
                {
                    of_file.entry(file).or_default().insert(name);
                }
            }
        }
    }

    /// The file that defines what `taken` names, as it is meant in the module `at`. `None`: it is not of this crate.
    fn resolve(&self, at: &[String], taken: &[String], depth: usize) -> Option<(PathBuf, String)> {
        let (module, rest) = self.follow(at, taken, depth)?;
        // A module itself is taken: nothing of it yet, the paths that begin with its name say what.
        let name = rest.first()?;
        let here = &self.0[&module];
        // What is neither defined nor brought in is made by a macro here.
        let made_here = || (!here.brought.contains_key(name)).then(|| (here.file.clone(), name.clone()));
        self.find(&module, &rest, depth).or_else(made_here)
    }

    /// The module that `taken` leads to, and what is left to look up in it.
    fn follow(&self, at: &[String], taken: &[String], depth: usize) -> Option<(ModulePath, Vec<String>)> {
        // Names brought in may lead to each other.
        if depth > 16 {
            return None;
        }
        let (first, mut rest) = taken.split_first()?;
        let mut module = match first.as_str() {
            "crate" => Vec::new(),
            "self" => at.to_vec(),
            "super" => at.split_last()?.1.to_vec(),
            name if self.0.contains_key(&joined(at, name)) => joined(at, name),
            name => {
                let brought = self.0.get(at)?.brought.get(name)?;
                // `use x;` would lead to itself.
                if brought.len() == 1 && brought[0] == *first {
                    return None;
                }
                let whole: Vec<String> = brought.iter().chain(rest).cloned().collect();
                return self.follow(at, &whole, depth + 1);
            }
        };
        while let Some((name, after)) = rest.split_first() {
            let child = joined(&module, name);
            // A function may share its name with a module.
            let is_item = after.is_empty() && self.0[&module].knows(name);
            match name.as_str() {
                "super" => drop(module.pop()),
                _ if self.0.contains_key(&child) && !is_item => module = child,
                _ => break,
            }
            rest = after;
        }
        Some((module, rest.to_vec()))
    }

    /// Where `module` has the name from.
    fn find(&self, module: &[String], taken: &[String], depth: usize) -> Option<(PathBuf, String)> {
        let here = self.0.get(module)?;
        let name = &taken[0];
        if here.defined.contains(name) {
            return Some((here.file.clone(), name.clone()));
        }
        if let Some(brought) = here.brought.get(name) {
            let whole: Vec<String> = brought.iter().chain(&taken[1..]).cloned().collect();
            return self.resolve(module, &whole, depth + 1);
        }
        here.globs.iter().find_map(|glob| {
            let (of, rest) = self.follow(module, glob, depth + 1)?;
            let has = rest.is_empty() && !self.0[&of].kept.contains(name);
            has.then(|| self.find(&of, taken, depth + 1))?
        })
    }
}

fn joined(path: &[String], name: &str) -> ModulePath {
    path.iter().cloned().chain([name.to_owned()]).collect()
}

fn is_test(attributes: &[Attribute]) -> bool {
    let says_test = |attribute: &Attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Path>().is_ok_and(|p| p.is_ident("test"))
    };
    attributes.iter().any(says_test)
}

impl<'ast> Visit<'ast> for Module {
    fn visit_item(&mut self, item: &'ast Item) {
        let (attributes, name) = match item {
            Item::Const(item) => (&item.attrs, Some(&item.ident)),
            Item::Enum(item) => (&item.attrs, Some(&item.ident)),
            Item::Fn(item) => (&item.attrs, Some(&item.sig.ident)),
            Item::Macro(item) => (&item.attrs, item.ident.as_ref()),
            Item::Static(item) => (&item.attrs, Some(&item.ident)),
            Item::Struct(item) => (&item.attrs, Some(&item.ident)),
            Item::Trait(item) => (&item.attrs, Some(&item.ident)),
            Item::Type(item) => (&item.attrs, Some(&item.ident)),
            Item::Use(item) => (&item.attrs, None),
            Item::Impl(item) => (&item.attrs, None),
            _ => return,
        };
        if is_test(attributes) {
            return;
        }
        self.defined.extend(name.map(ToString::to_string));
        visit::visit_item(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if !is_test(&item.attrs) {
            let known: BTreeSet<String> = self.brought.keys().cloned().collect();
            self.bring(&item.tree, Vec::new());
            if matches!(item.vis, Visibility::Inherited) {
                self.kept.extend(self.brought.keys().filter(|name| !known.contains(*name)).cloned());
            }
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            match path.get_ident() {
                Some(name) => drop(self.bare.insert(name.to_string())),
                None => self.taken.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect()),
            }
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.visit_path(&call.path);
        let arguments = call.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated);
        // The expressions end here, this visit does not: only the names are kept.
        for argument in arguments.iter().flatten() {
            let mut inner = Module::default();
            inner.visit_expr(argument);
            self.taken.append(&mut inner.taken);
            self.bare.append(&mut inner.bare);
        }
    }
}

impl Module {
    fn knows(&self, name: &str) -> bool {
        self.defined.contains(name) || self.brought.contains_key(name)
    }

    fn bring(&mut self, tree: &UseTree, mut path: Vec<String>) {
        match tree {
            UseTree::Path(part) => {
                path.push(part.ident.to_string());
                self.bring(&part.tree, path);
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.bring(tree, path.clone())),
            UseTree::Glob(_) => self.globs.push(path),
            UseTree::Name(name) => self.bring_as(path, name.ident.to_string(), name.ident.to_string()),
            UseTree::Rename(renamed) => self.bring_as(path, renamed.ident.to_string(), renamed.rename.to_string()),
        }
    }

    fn bring_as(&mut self, mut path: Vec<String>, name: String, known_as: String) {
        let known_as = if name == "self" { path.last().cloned().unwrap_or_default() } else { known_as };
        if name != "self" {
            path.push(name);
        }
        // A trait brought in as `_` is taken as well.
        match known_as.as_str() {
            "_" => self.taken.push(path),
            _ => {
                self.brought.insert(known_as, path);
            }
        }
    }
}
