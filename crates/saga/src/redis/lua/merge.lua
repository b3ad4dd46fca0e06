-- Merges events into their windows.
-- KEYS  1 due, 2.. pending of each window, once
-- ARGV  1 window in ms, 2 leak guard in s, 3 events that fill a window, 4 length of the pending keys' prefix,
--       then for each event: number of its window from 1, event id, effect
-- Returns 1 if a window is full and due at once, else 0.
--
-- Invariant: all events or none. Types are asked for before the first write, and the first write is HSETNX, which a full
-- Redis refuses; what follows is let through. An event id is written once, so repeating the script changes nothing.
-- A window with events has a due time; only its first event sets it, and the one that fills it makes it now.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due_at = string.format('%.0f', now + ARGV[1])
local full = tonumber(ARGV[3])

redis.call('ZCARD', KEYS[1])
local sizes = {}
-- Asked once for all, since most windows are new.
local some = redis.call('EXISTS', unpack(KEYS, 2)) > 0
for w = 2, #KEYS do
  sizes[w] = some and redis.call('HLEN', KEYS[w]) or 0
end

local added = {}
for i = 5, #ARGV, 3 do
  local w = ARGV[i] + 1
  added[w] = (added[w] or 0) + redis.call('HSETNX', KEYS[w], ARGV[i + 1], ARGV[i + 2])
end

local filled = 0
local due = {}
for w = 2, #KEYS do
  local key = string.sub(KEYS[w], ARGV[4] + 1)
  if sizes[w] == 0 then
    redis.call('EXPIRE', KEYS[w], ARGV[2])
  end
  if sizes[w] < full and sizes[w] + (added[w] or 0) >= full then
    redis.call('ZADD', KEYS[1], string.format('%.0f', now), key)
    filled = 1
  else
    due[#due + 1] = due_at
    due[#due + 1] = key
  end
end
for from = 1, #due, 1000 do
  redis.call('ZADD', KEYS[1], 'NX', unpack(due, from, math.min(from + 999, #due)))
end
return filled
