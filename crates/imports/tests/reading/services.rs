//! What our own exports and further services write.

use cardwire_domain::Visibility;

use crate::support::{check, check_bytes, check_refused, links, rows, told};

#[test]
fn our_own_exports_are_read() {
    check(
        "ours.html",
        &[
            "https://ours.example/a | Ours | note \"two\\nlines & more\" | 2025-05-05T05:05:05Z \
             | [\"Reading  later\", \"Tea\"] | private",
            "https://ours.example/b | 2025-05-06T05:05:05Z | [\"a, b\", \"c; d\"]",
        ],
    );
    check(
        "ours.csv",
        &[
            "https://ours.example/a | Ours | note \"two\\r\\nlines\" | 2025-05-05T05:05:05.000005Z \
             | [\"Reading, slowly\", \"Tea\"] | private",
            "https://ours.example/b | 2025-05-06T05:05:05Z | [\"a; b\", \"c\"]",
        ],
    );
    check(
        "ours.json",
        &[
            "https://ours.example/a | Ours | note \"two\\nlines\" | 2025-05-05T05:05:05.000005Z \
             | [\"Reading; later\"] | private",
            "https://ours.example/b | 2025-05-06T05:05:05Z",
        ],
    );
}

#[test]
fn xml_of_pinboard_and_xbel_is_read() {
    check(
        "pinboard.xml",
        &[
            "https://pin.example/x?a=1&b=2 | Bread & salt | note \"long\" | 2005-11-29T20:30:47Z \
             | [\"baking\", \"salt\"] | private",
            "https://pin.example/y | Y | 2005-11-30T20:30:47Z",
        ],
    );
    check(
        "bookmarks.xbel",
        &[
            "https://xbel.example/lute | Lutes <old> | note \"a & b\" | 2020-02-02T02:02:02Z | [\"Music\"]",
            "https://xbel.example/gut | Gut | [\"Music / Strings\"]",
            "https://xbel.example/last",
        ],
    );
}

#[test]
fn visibility_is_read_from_tables() {
    let private = |file: &str| links(file.as_bytes()).iter().map(|link| link.is_private).collect::<Vec<_>>();
    let url = "https://a.example/";
    assert_eq!(
        private(&format!("url,visibility\n{url},PRIVATE\n{url},private\n{url},PUBLIC\n{url},")),
        [true, true, false, false]
    );
    assert_eq!(
        private(&format!("private,url\n1,{url}\ntrue,{url}\n0,{url}\nFalse,{url}\n,{url}")),
        [true, true, false, false, false]
    );
    assert_eq!(private(&format!("shared,url\nno,{url}\nyes,{url}\n,{url}")), [true, false, false]);
}

#[test]
fn links_without_lists_around_them_are_read() {
    check_bytes(
        b"<a href=https://a.example/1>1<a href=https://a.example/2>2<dd>n</dl>after<dd>nothing",
        &["https://a.example/1 | 1", "https://a.example/2 | 2 | note \"n\""],
    );
    check_bytes(
        b"<script>document.write('<a href=\"https://a.example/no\">')</script><h3><a href='https://a.example/1'>One</a></h3>",
        &["https://a.example/1 | One"],
    );
    check_bytes(
        b"exported today\n<dl><dt><a href=https://a.example/1>One</a>\n<dt><a href=https://a.example/2>Two",
        &["https://a.example/1 | One", "https://a.example/2 | Two"],
    );
}

#[test]
fn notes_with_lines_of_markup_keep_their_lines() {
    check_bytes(
        b"<DT><A HREF=https://a.example/>A</A><DD><p>one</p><p>two</p>\r\nthree <i>4</i><br>five if x<y then\n<DT>",
        &["https://a.example/ | A | note \"one\\n\\ntwo\\nthree 4\\nfive if x<y then\""],
    );
}

#[test]
fn folders_of_any_depth_and_without_an_end_are_read() {
    let deep = format!("{}<DT><A HREF=https://a.example/>A</A>", "<DL><p>\n".repeat(200_000));
    check_bytes(deep.as_bytes(), &["https://a.example/ | A"]);
    let named = format!("{}<DT><A HREF=https://a.example/>A</A>", "<DT><H3>Folder</H3>\n<DL><p>\n".repeat(200_000));
    let found = told(&rows(named.as_bytes())[0]);
    assert!(found.contains("… / Folder / Folder") && found.contains("was shortened"), "{found}");
}

#[test]
fn links_in_a_private_collection_are_private() {
    let private = |file: &str| links(file.as_bytes()).iter().map(|link| link.is_private).collect::<Vec<_>>();
    let (a, b) = ("{\"url\": \"https://a.example/\"}", "{\"url\": \"https://b.example/\"}");
    let of = |first: &str, second: &str| private(&format!("{{\"collections\": [{first}, {second}]}}"));
    let open = format!("{{\"name\": \"y\", \"isPublic\": true, \"links\": [{b}]}}");
    assert_eq!(of(&format!("{{\"name\": \"x\", \"isPublic\": false, \"links\": [{a}]}}"), &open), [true, false]);
    assert_eq!(of(&format!("{{\"name\": \"x\", \"links\": [{a}], \"isPublic\": false}}"), &open), [true, false]);
    assert_eq!(
        of(&format!("{{\"links\": [{a}], \"visibility\": \"PRIVATE\", \"name\": \"x\"}}"), &open),
        [true, false]
    );
    let inside =
        format!("{{\"name\": \"x\", \"children\": [{{\"title\": \"z\", \"children\": [{a}]}}], \"private\": true}}");
    assert_eq!(of(&inside, &open), [true, false]);
    assert_eq!(private(&format!("{{\"isPublic\": false, \"links\": [{a}, {b}]}}")), [true, true]);
    // What is handed on already cannot become private.
    let late = format!("{{\"links\": [{a}, {b}], \"isPublic\": false}}");
    check_refused(late.as_bytes(), "in front of its links");
}

#[test]
fn who_can_see_a_collection_is_read() {
    let told = |file: &str| -> Vec<String> {
        let one = |(name, visibility): (&String, &Visibility)| format!("{name} {}", visibility.name());
        links(file.as_bytes())
            .iter()
            .map(|link| link.visibilities.iter().map(one).collect::<Vec<_>>().join(", "))
            .collect()
    };
    let (a, b) = ("https://a.example/", "https://b.example/");
    let json = format!(
        "{{\"cards\": [{{\"url\": \"{a}\", \"collections\": [{{\"name\": \"x\", \"visibility\": \"PRIVATE\"}}, \
         {{\"name\": \"y\", \"visibility\": \"PUBLIC\"}}]}}, {{\"url\": \"{b}\", \"collections\": [\"x\"]}}]}}"
    );
    assert_eq!(told(&json), ["x PRIVATE, y PUBLIC", ""]);
    let table = format!("url,collections,private_collections\n{a},x; y,x\n{b},\"[\"\"z\"\"]\",\n");
    assert_eq!(told(&table), ["x PRIVATE, y PUBLIC", "z PUBLIC"]);
    assert_eq!(told(&format!("url,collections\n{a},x\n")), [""], "it says nothing");
    let html = format!(
        "<DL><p>\n<DT><H3 PRIVATE=\"1\">x</H3>\n<DL><p>\n<DT><A HREF=\"{a}\">a</A>\n<DT><H3>z</H3><DL><p>\n<DT><A HREF=\"{b}\">b</A>\n\
         </DL></DL><DT><H3>y</H3><DL><p><DT><A HREF=\"{a}\" TAGS=\"x,y\" PRIVATE_COLLECTIONS=\"[&quot;x&quot;]\">a</A>\n\
         <DT><A HREF=\"{b}\" TAGS=\"y\">b</A></DL></DL>"
    );
    assert_eq!(told(&html), ["x PRIVATE", "x / z PRIVATE", "x PRIVATE, y PUBLIC", ""]);
}
