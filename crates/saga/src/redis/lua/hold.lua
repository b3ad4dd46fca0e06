-- Says which events wait in their windows. Reads only.
-- KEYS  1 due, 2.. pending of each window, once
-- ARGV  1 length of the pending keys' prefix, then for each event: number of its window from 1, event id
-- Returns for each event 1 or 0. A window that is never due holds nothing: nobody would flush it.
local held = {}
for i = 2, #ARGV, 2 do
  local pending = KEYS[ARGV[i] + 1]
  local is_due = redis.call('ZSCORE', KEYS[1], string.sub(pending, ARGV[1] + 1))
  held[#held + 1] = is_due and redis.call('HEXISTS', pending, ARGV[i + 1]) or 0
end
return held
