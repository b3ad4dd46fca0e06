//! Search: which words find which, in every writing, and in which order.

use std::time::Duration;

use cardwire_domain::UserId;
use cardwire_domain::library::LibraryFilter;
use cardwire_domain::metadata::{FetchPolicy, Metadata};
use cardwire_domain::search::{Found, SearchRequest};

use super::pages::titled;
use super::scene::{all_pages, page, person, sorted};
use super::{Stores, Tested};

/// Everybody keeps a page of each title, one on each host.
async fn keep(stores: &Stores, titles: &[&str]) -> Tested {
    for number in 0..titles.len() {
        stores.save(&person("alice"), &format!("https://h{number}.example/")).await?;
    }
    stores.index_all().await?;
    let jobs = stores.due().await?;
    assert_eq!(jobs.len(), titles.len());
    for job in jobs {
        let number: usize = job.host.trim_start_matches('h').trim_end_matches(".example").parse()?;
        assert!(stores.pages.finish_fetch(&job, &Ok(titled(titles[number])), &FetchPolicy::default()).await?);
    }
    Ok(())
}

async fn found(stores: &Stores, text: &str, reader: Option<&UserId>) -> anyhow::Result<Found> {
    let request = SearchRequest { text: text.into(), reader: reader.cloned(), ..SearchRequest::default() };
    Ok(stores.search.search(&request, &page(100, None)).await?)
}

/// The titles found, best first.
async fn titles(stores: &Stores, text: &str) -> anyhow::Result<Vec<String>> {
    Ok(found(stores, text, None).await?.items.into_iter().filter_map(|hit| hit.title).collect())
}

/// Each text finds these of the titles, in any order.
async fn check(stores: &Stores, cases: &[(&str, &[&str])]) -> Tested {
    for (text, expected) in cases {
        assert_eq!(sorted(titles(stores, text).await?), sorted(expected.to_vec()), "{text:?}");
    }
    Ok(())
}

pub async fn case_accents_and_widths_do_not_matter(stores: Stores) -> Tested {
    let (cafe, dvorak, sao, lodz, strasse) =
        ("Café society", "Dvořák's ninth", "São Paulo", "Łódź by night", "Straße ins Grüne");
    let (danish, latin, wide, turkish, greek) = ("Smørrebrød", "Encyclopædia", "Ｗｉｄｅ ﬁelds", "İstanbul", "Λόγος");
    let (nfd, russian, arabic, hindi, viet) =
        ("Re\u{301}sume\u{301} in Zu\u{308}rich", "Ещё раз", "مُحَمَّد", "हिन्दी गीत", "Phở bò");
    keep(
        &stores,
        &[cafe, dvorak, sao, lodz, strasse, danish, latin, wide, turkish, greek, nfd, russian, arabic, hindi, viet],
    )
    .await?;
    check(
        &stores,
        &[
            ("cafe", &[cafe]),
            ("CAFÉ", &[cafe]),
            ("cafe\u{301}", &[cafe]),
            ("dvorak", &[dvorak]),
            ("dvo", &[dvorak]),
            ("sao paulo", &[sao]),
            ("lodz", &[lodz]),
            ("ŁÓDŹ", &[lodz]),
            ("strasse", &[strasse]),
            ("STRASSE grune", &[strasse]),
            ("straße", &[strasse]),
            ("smorrebrod", &[danish]),
            ("encyclopaedia", &[latin]),
            ("wide fields", &[wide]),
            ("ｗｉｄｅ", &[wide]),
            ("istanbul", &[turkish]),
            ("λογοσ", &[greek]),
            ("ΛΟΓΟΣ", &[greek]),
            ("résumé", &[nfd]),
            ("zürich", &[nfd]),
            ("zurich resume", &[nfd]),
            ("еще", &[russian]),
            ("محمد", &[arabic]),
            ("हिन्दी", &[hindi]),
            ("pho", &[viet]),
            ("straus", &[]),
        ],
    )
    .await
}

pub async fn words_as_they_were_typed_come_first(stores: Stores) -> Tested {
    let both = ["Resume tips", "Résumé tips", "Resumé tips"];
    keep(&stores, &both).await?;
    for (text, first) in
        [("resume", both[0]), ("résumé", both[1]), ("RESUMÉ tips", both[2]), ("\"résumé tips\"", both[1])]
    {
        let found = titles(&stores, text).await?;
        assert_eq!((found.len(), found[0].as_str()), (3, first), "{text}");
    }
    Ok(())
}

pub async fn what_leaves_no_trace_and_apostrophes_do_not_matter(stores: Stores) -> Tested {
    let (soft, joined, dont, reilly, ecole) =
        ("Donau\u{ad}dampf\u{ad}schiff", "می\u{200c}خواهم", "Don’t panic", "O’Reilly's books", "L'école est finie");
    keep(&stores, &[soft, joined, dont, reilly, ecole]).await?;
    check(
        &stores,
        &[
            ("Donaudampfschiff", &[soft]),
            ("Donau\u{ad}dampfschiff", &[soft]),
            ("donau\u{200b}dampf", &[soft]),
            ("میخواهم", &[joined]),
            ("don't", &[dont]),
            ("dont", &[dont]),
            ("don’t panic", &[dont]),
            ("o'reilly", &[reilly]),
            ("oreilly", &[reilly]),
            ("reilly", &[reilly]),
            ("école", &[ecole]),
            ("l’ecole", &[ecole]),
        ],
    )
    .await
}

pub async fn signs_never_empty_a_search_and_some_make_words(stores: Stores) -> Tested {
    let (cpp, c, sharp, net, fishing) =
        ("C++20 primer", "C primer", "C# in depth", "ASP.NET and .NET", "A fishing net");
    let (f, r, go, old) = ("F♯ for fun", "R for data", "Go: a tour", "To be or not to be");
    keep(&stores, &[cpp, c, sharp, net, fishing, f, r, go, old]).await?;
    check(
        &stores,
        &[
            ("C++", &[cpp]),
            ("c++20", &[cpp]),
            ("c++ primer", &[cpp]),
            ("C#", &[sharp]),
            ("F#", &[f]),
            (".NET", &[net]),
            ("net", &[net, fishing]),
            ("asp.net", &[net]),
            ("R,", &[r]),
            ("r & data", &[r]),
            ("go.", &[go]),
            ("to be or not to be", &[old]),
            ("primer 🚀 !!", &[cpp, c]),
            ("primer -C++", &[c]),
            ("fishing / net %", &[fishing]),
            ("a < net > fishing", &[fishing]),
            ("🚀", &[]),
            ("%", &[]),
        ],
    )
    .await
}

pub async fn a_pasted_title_finds_its_page(stores: Stores) -> Tested {
    let all = [
        "R & D",
        "Foo Bar - Site Name",
        "Rocket 🚀 launch",
        "100 % pure",
        "Fizz / buzz",
        "John Doe <john@provider.example>",
        "team:foobar — a|b ((c))",
        "What's “new” in 2024? | News",
        "12\" vinyl, 33⅓ rpm™",
        "中文全文搜索引擎入门",
        "東京都の図書館で本を検索する方法 (2024年版)",
        "(3) don't … stop!",
        "[solved] can't open *.c++ files · Forum",
        "@alice: “hello, world” #greeting",
        "50€/month… that's it?",
    ];
    keep(&stores, &all).await?;
    for title in all {
        let found = titles(&stores, title).await?;
        assert_eq!(found.first().map(String::as_str), Some(title));
    }
    Ok(())
}

pub async fn writing_without_spaces_is_found_by_its_words(stores: Stores) -> Tested {
    let (japanese, chinese, korean, thai, mixed) = (
        "東京都の図書館で本を検索する方法",
        "中文全文搜索引擎入门",
        "서울도서관에서 책을 빌리는 법",
        "ห้องสมุดประชาชนกรุงเทพ",
        "Rust入門書ガイド 第3版",
    );
    keep(&stores, &[japanese, chinese, korean, thai, mixed]).await?;
    check(
        &stores,
        &[
            ("検索", &[japanese]),
            ("図書館", &[japanese]),
            ("東京", &[japanese]),
            ("方法", &[japanese]),
            ("図書館 検索", &[japanese]),
            ("図書館検索", &[japanese]),
            ("本", &[japanese]),
            ("法", &[japanese]),
            ("京図", &[]),
            ("館図", &[]),
            ("検策", &[]),
            ("搜索", &[chinese]),
            ("引擎", &[chinese]),
            ("全文搜索", &[chinese]),
            ("\"全文 入门\"", &[]),
            ("도서관", &[korean]),
            ("서울 책", &[korean]),
            ("책", &[korean]),
            ("서관", &[korean]),
            ("ห้องสมุด", &[thai]),
            ("กรุงเทพ", &[thai]),
            ("ประชาชน ห้องสมุด", &[thai]),
            ("rust 入門", &[mixed]),
            ("rust入門", &[mixed]),
            ("ｶﾞｲﾄﾞ", &[mixed]),
            ("3 版", &[mixed]),
            ("方法 -検索", &[]),
            ("方法 -搜索", &[japanese]),
        ],
    )
    .await
}

pub async fn a_pasted_url_finds_its_page_first(stores: Stores) -> Tested {
    let alice = person("alice");
    let long = format!("https://long.example/{}?id=1#end", "very-long-path/".repeat(40));
    let tracked = "https://section.example/A.html?id=42&utm_medium=x&utm_campaign=spring#section-2";
    let idn = "https://пример.example/путь/страница";
    let (root, below) = ("https://root.example/", "https://root.example/root/example/https");
    for url in [tracked, idn, root, below, long.as_str()] {
        stores.save(&alice, url).await?;
    }
    stores.save(&person("bob"), below).await?;
    stores.index_all().await?;
    for (text, expected) in [
        (tracked, tracked),
        ("HTTPS://Section.example/A.html?id=42", tracked),
        ("https://section.example/A.html?utm_source=other&id=42#top", tracked),
        ("section.example/A.html?id=42&fbclid=1", tracked),
        (idn, idn),
        ("https://xn--e1afmkfd.example/%D0%BF%D1%83%D1%82%D1%8C/%D1%81%D1%82%D1%80%D0%B0%D0%BD%D0%B8%D1%86%D0%B0", idn),
        ("страница", idn),
        ("пример", idn),
        ("xn--e1afmkfd.example", idn),
        ("%D0%BF%D1%83%D1%82%D1%8C", idn),
        (long.as_str(), long.as_str()),
        // More people keep the other one, and it has all the words.
        (root, root),
        ("root.example/", root),
    ] {
        let found = found(&stores, text, None).await?.items;
        assert_eq!(found.first().map(|hit| hit.url.as_str()), Some(expected), "{text}");
    }
    let request = &SearchRequest { text: root.into(), ..SearchRequest::default() };
    let search = &stores.search;
    let hits = all_pages(1, |page| async move { search.search(request, &page).await.map(Found::page) }).await?;
    let urls: Vec<_> = hits.iter().map(|hit| hit.url.as_str()).collect();
    assert_eq!(urls, [root, below], "each once");
    assert!(hits.is_sorted_by(|a, b| a.rank >= b.rank));
    let request = SearchRequest { mine: true, reader: Some(person("bob")), ..request.clone() };
    let own = stores.search.search(&request, &page(10, None)).await?.items;
    assert_eq!(own.iter().map(|hit| hit.url.as_str()).collect::<Vec<_>>(), [below], "not among one's own");
    Ok(())
}

pub async fn nobody_finds_a_private_page_by_its_url(stores: Stores) -> Tested {
    let (alice, bob, url) = (person("alice"), person("bob"), "https://secret.example/unmistakable");
    let card = stores.save_privately(&alice, url, None, &[]).await?;
    stores.index_all().await?;
    for (reader, expected) in [(Some(&alice), vec![vec![card]]), (Some(&bob), vec![]), (None, vec![])] {
        for text in [url, "https://secret.example/unmistakable?utm_source=x", "mistakable", "unmistakabel"] {
            let found = found(&stores, text, reader).await?;
            let cards: Vec<_> = found.items.into_iter().map(|hit| hit.card_ids).collect();
            assert_eq!(cards, expected, "{text} to {reader:?}");
            assert!(found.corrected.is_none() || reader == Some(&alice), "{text} to {reader:?}");
        }
    }
    Ok(())
}

pub async fn parts_of_words_are_found_last(stores: Stores) -> Tested {
    let (whole, begun, inside, spelled) = ("Dampf", "Dampfmaschine", "Donaudampfschiff", "Dämpf");
    keep(&stores, &[inside, begun, whole, spelled, "Postgres", "Flamegraph of iphone2007"]).await?;
    let order = [whole, spelled, begun, inside];
    assert_eq!(titles(&stores, "dampf").await?, order);
    let (search, request) = (&stores.search, &SearchRequest { text: "dampf".into(), ..SearchRequest::default() });
    for limit in 1..=5 {
        let hits = all_pages(limit, |page| async move { search.search(request, &page).await.map(Found::page) }).await?;
        let found: Vec<_> = hits.iter().filter_map(|hit| hit.title.as_deref()).collect();
        assert_eq!(found, order, "in pages of {limit}");
        assert!(hits.is_sorted_by(|a, b| a.rank >= b.rank), "in pages of {limit}");
    }
    check(
        &stores,
        &[
            ("schiff", &[inside]),
            ("aschi", &[begun]),
            ("graph", &["Flamegraph of iphone2007"]),
            ("hon", &["Flamegraph of iphone2007"]),
            ("gres", &["Postgres"]),
            ("lam graph", &["Flamegraph of iphone2007"]),
            ("schiff dampf", &[inside]),
            ("schiff.", &[]),
            ("am", &[]),
            ("dampf -donaudampfschiff", &[whole, spelled, begun]),
            ("dampf schfif", &[]),
        ],
    )
    .await?;
    // A note completes a page, whole or in part.
    let alice = person("alice");
    stores.save_with(&alice, "https://h4.example/", Some("Elefanten"), &[]).await?;
    stores.index_all().await?;
    for (reader, expected) in [(Some(&alice), 1), (None, 0), (Some(&person("bob")), 0)] {
        for text in ["postgres elefant", "gres lefan", "lefan"] {
            assert_eq!(found(&stores, text, reader).await?.items.len(), expected, "{text} by {reader:?}");
        }
    }
    Ok(())
}

pub async fn what_was_corrected_is_told(stores: Stores) -> Tested {
    let alice = person("alice");
    keep(&stores, &["Memory safety", "Gardening in Zürich"]).await?;
    stores.save_with(&alice, "https://h1.example/", Some("wheelbarrows"), &[]).await?;
    stores.index_all().await?;
    for (text, reader, expected) in [
        ("memroy safety", None, Some("memory safety")),
        ("\"a\" MEMROY, -x saftey", None, None),
        ("MEMROY! saftey", None, Some("memory! safety")),
        ("gardenign", None, Some("gardening")),
        ("zuerich", None, Some("zurich")),
        ("wheelbarows zurich", Some(&alice), Some("wheelbarrows zurich")),
        ("wheelbarows zurich", None, None),
        ("memory safety", None, None),
        ("garden", None, None),
        ("qwertz", None, None),
    ] {
        let found = found(&stores, text, reader).await?;
        assert_eq!(found.corrected.as_deref(), expected, "{text}");
        assert_eq!(found.corrected.is_some(), !found.items.is_empty() && !["memory safety", "garden"].contains(&text));
    }
    Ok(())
}

pub async fn whatever_is_typed_is_answered(stores: Stores) -> Tested {
    let alice = person("alice");
    stores.save_with(&alice, "https://example.com/a", Some("x"), &[]).await?;
    stores.index_all().await?;
    for text in [
        "'",
        "\"",
        ":*",
        "team:foobar",
        "a|b",
        "((",
        "!&|",
        "<->",
        "\\",
        "%",
        "\"open",
        "''",
        "a'b'c",
        "-",
        "--",
        "-\"",
        "* a",
        "NEAR(a b)",
        "a AND",
        "OR",
        "NOT x",
        "{title}: a",
        "title : a",
        "^a",
        "a + b",
        "\u{0}",
        "\u{200b}",
        "\u{301}\u{301}",
        "＝＋＃．·",
        "·private",
        "cafe＝café",
        "日",
        "日日日日日日日日日日日日日日日日",
        "ก็",
        "a\u{301}\u{301}\u{301}",
        "🇩🇪👩\u{200d}🚀",
        "https://",
        "https://%",
        "//",
        "a:b@c/d",
        "xn--",
        "xn--\u{ffff}.example",
        "%%%",
        "%F0%9F",
        "1e309",
        "0x",
        "\u{202e}abc",
    ] {
        for reader in [None, Some(&alice)] {
            found(&stores, text, reader).await?;
        }
        stores.search.find_people(text).await?;
        stores.search.find_collections(text).await?;
        let filter = LibraryFilter { text: Some(text.into()), uncollected: false, ..LibraryFilter::default() };
        stores.library.library(&alice, &filter, &page(10, None)).await?;
    }
    Ok(())
}

pub async fn a_library_is_filtered_by_the_same_rules(stores: Stores) -> Tested {
    let alice = person("alice");
    let url = "https://example.com/caf%C3%A9?utm_source=x#top";
    stores.save_with(&alice, url, Some("Donau\u{ad}dampfschiff: 図書館で C++"), &[]).await?;
    stores.save(&person("bob"), "https://example.com/cafe").await?;
    let check = async |stores: &Stores| -> Tested {
        for (text, expected) in [
            ("cafe", 1),
            ("CAFÉ exam", 1),
            (url, 1),
            ("https://example.com/caf%C3%A9", 1),
            ("dampf", 1),
            ("図書館", 1),
            ("c++ & cafe", 1),
            ("c#", 0),
            ("\"example com cafe\"", 1),
            ("\"com example\"", 0),
            ("cafe -dampfschiff", 1),
            ("cafe -donaudampfschiff", 0),
            ("missing", 0),
            ("&", 0),
        ] {
            let filter = LibraryFilter { text: Some(text.into()), uncollected: false, ..LibraryFilter::default() };
            let found = stores.library.library(&alice, &filter, &page(10, None)).await?.items;
            assert_eq!(found.len(), expected, "{text:?}");
        }
        Ok(())
    };
    check(&stores).await?;
    stores.index_all().await?;
    check(&stores).await?;
    // Behind many newer ones, by the index.
    stores.time.advance(Duration::from_secs(1)).await;
    let saves: Vec<_> = (0..310).map(|number| (alice.clone(), format!("https://other.example/{number}"))).collect();
    stores.save_at_once(&saves).await?;
    stores.index_all().await?;
    check(&stores).await?;
    let (library, owner) = (&stores.library, &alice);
    let filter = &LibraryFilter { text: Some("exam".into()), uncollected: true, ..LibraryFilter::default() };
    let all = all_pages(100, |page| async move { library.library(owner, filter, &page).await }).await?;
    assert_eq!(all.len(), 311);
    Ok(())
}

pub async fn more_known_of_a_page_is_found_and_less_is_not(stores: Stores) -> Tested {
    let (alice, url) = (person("alice"), "https://example.com/page");
    stores.save_with(&alice, url, Some("Notiz"), &[]).await?;
    stores.index_all().await?;
    stores.fetched(url, titled("Café 検索 Donaudampfschiff")).await?;
    for text in ["cafe", "検索", "dampf", "cafe notiz", "dampf otiz"] {
        assert_eq!(found(&stores, text, Some(&alice)).await?.items.len(), 1, "{text}");
    }
    stores.time.advance(Duration::from_secs(7 * 86_400 + 1)).await;
    stores.fetched(url, Metadata { title: Some("Tee".into()), ..Metadata::default() }).await?;
    for text in ["cafe", "検索", "dampf", "donaudampfschiff", "cafe notiz"] {
        assert_eq!(found(&stores, text, Some(&alice)).await?.items.len(), 0, "{text}");
    }
    assert_eq!(found(&stores, "tee notiz", Some(&alice)).await?.items.len(), 1);
    Ok(())
}
