// Closes the small window that the bookmarklet opened. A browser may refuse: then the page says what to do.
"use strict";

setTimeout(() => window.close(), 800);
