"""What the demo shows: people, collections and the pages they saved. Every site, page and person is made up."""

# handle, display name, bio. The first one is the administrator.
PEOPLE = [
    ("maya", "Maya Lindqvist", "Gardens, bread and small software."),
    ("tom", "Tom Okafor", "I build bicycles and read about cities."),
    ("ines", "Inês Duarte", "Typography teacher in Porto."),
    ("jun", "Jun Nakamura", "Databases by day, photography by night."),
    # Has saved nothing yet.
    ("noor", "Noor Haddad", "New here."),
]

# author, name, description, open to everyone, private, collaborators
COLLECTIONS = [
    ("maya", "Kitchen garden", "What to sow, and when.", True, False, []),
    ("maya", "House move", "Lists and quotes for the move in spring.", False, True, ["tom"]),
    ("tom", "Better streets", "Ideas for streets that people like to walk on.", False, False, ["ines", "maya"]),
    ("ines", "Type worth a look", "Typefaces and texts about them.", False, False, []),
    ("jun", "How databases work", "Explanations that helped me.", True, False, ["tom"]),
]

# site, path, page's title, page's description
PAGES = [
    ("gardenletters.example", "/leeks", "Growing leeks under snow", "Leeks survive a hard winter if you earth them up in October. A year in one bed."),
    ("gardenletters.example", "/compost", "Compost in eight weeks", "Layers, water and a fork: how to get warm compost from an ordinary heap."),
    ("breadnotes.example", "/rye", "A plain rye loaf", "Four ingredients, two days, and almost no kneading."),
    ("breadnotes.example", "/starter", "Keeping a starter alive", "What to do when you leave for a month, and how to wake it up again."),
    ("slowstreets.example", "/benches", "Why a street needs benches", "People who can sit down stay longer, buy more and talk to each other."),
    ("slowstreets.example", "/corners", "The corner is the most important place", "Wider corners slow cars down and give everyone a better view."),
    ("slowstreets.example", "/trees", "Forty years of street trees", "Which species lasted, which lifted the pavement, and what they did to the heat."),
    ("framebuilders.example", "/lugs", "Filing lugs by hand", "An afternoon in a workshop that makes twelve frames a year."),
    ("framebuilders.example", "/geometry", "Bicycle geometry without mystery", "Trail, reach and stack, explained with one drawing each."),
    ("typelibrary.example", "/garamond", "Eleven Garamonds side by side", "The same paragraph in eleven revivals, with notes on where each comes from."),
    ("typelibrary.example", "/figures", "Old figures, new figures", "When numerals should line up, and when they should not."),
    ("typelibrary.example", "/signs", "Painted signs of Porto", "Two hundred photographs of shop fronts, sorted by letterform."),
    ("querypapers.example", "/btrees", "B-trees, drawn slowly", "Every step of an insert, with a picture for each page split."),
    ("querypapers.example", "/isolation", "Isolation levels by example", "Five anomalies and the level that prevents each of them."),
    ("querypapers.example", "/wal", "What a write-ahead log promises", "Why the log is written first, and what happens after a crash."),
    ("nightlight.example", "/stars", "Photographing stars with a phone", "A tripod, a timer and thirty seconds are enough."),
    ("nightlight.example", "/harbour", "The harbour at four in the morning", "A photo essay about the people who unload the fish."),
    ("moversguide.example", "/boxes", "How many boxes do you need?", "A room-by-room estimate that is right more often than not."),
    ("moversguide.example", "/quotes", "Reading a mover's quote", "The seven lines that decide the price, and which ones you can negotiate."),
    ("longreads.example", "/libraries", "The library that lends tools", "A small town shares its drills, ladders and cake tins."),
]

# person, index in PAGES, title of their own, note, private, names of collections
SAVES = [
    ("jun", 12, None, "The clearest drawings I have found.", False, ["How databases work"]),
    ("jun", 13, None, "Show this to the new people.", False, ["How databases work"]),
    ("tom", 14, None, None, False, ["How databases work"]),
    ("jun", 15, None, None, False, []),
    ("jun", 16, None, "Ask for permission to print number 9.", True, []),
    ("ines", 9, None, "For the second lesson.", False, ["Type worth a look"]),
    ("ines", 10, "Lining and old-style figures", None, False, ["Type worth a look"]),
    ("ines", 11, None, "I took some of these.", False, ["Type worth a look"]),
    ("tom", 7, None, None, False, []),
    ("tom", 8, None, "Finally understood trail.", False, []),
    ("tom", 4, None, "Send to the council.", False, ["Better streets"]),
    ("tom", 5, None, None, False, ["Better streets"]),
    ("ines", 4, None, None, False, ["Better streets"]),
    ("maya", 6, None, "Compare with our street.", False, []),
    ("maya", 17, None, "Forty, says this. I think sixty.", True, ["House move"]),
    ("tom", 18, None, None, True, []),
    ("maya", 18, "Mover's quotes", "Call them before Friday.", True, ["House move"]),
    ("maya", 2, None, "Bake it for Sunday.", False, []),
    ("maya", 3, None, None, False, []),
    ("jun", 0, None, None, False, ["Kitchen garden"]),
    ("maya", 0, None, "Earth them up in October!", False, ["Kitchen garden"]),
    ("maya", 1, None, None, False, ["Kitchen garden"]),
    ("maya", 19, None, None, False, []),
    ("ines", 19, None, None, False, []),
]
