-- Words go into the index some at a time: one by one, they were the greater part of all that a save writes. What is not in yet is read
-- from a short list by each search, so the list is kept short (kB).
ALTER INDEX search_pages_words SET (fastupdate = on, gin_pending_list_limit = 128);
ALTER INDEX search_words_trigrams SET (fastupdate = on, gin_pending_list_limit = 64);
