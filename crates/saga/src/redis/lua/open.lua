-- Lists windows, soonest due first. Reads only.
-- KEYS  1 due
-- ARGV  1 prefix of lock keys, 2 prefix of pending keys, 3 most windows, 4 due time and 5 key of the last one seen, or both empty,
--       6 about how many fields of one are told, 7 and of all together, 8 fields of one that is told whole all the same
-- Returns for each window {key, due at in ms, 1 if it is locked else 0, events in it, failures, fields and values}. Large ones are not
-- read whole: everybody else waits for this.
--
-- The locks and windows are found in `due`, so they cannot be declared; in Cluster they share its hash tag.

-- As the set itself orders equal scores. Lua's `<` would follow the server's locale.
local function is_behind(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then
      return x > y
    end
  end
  return #a > #b
end

local most = tonumber(ARGV[3])
local budget = tonumber(ARGV[7])
local rank = 0
if ARGV[4] ~= '' then
  rank = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. ARGV[4])
end
local page = {}
while #page < most do
  local due = redis.call('ZRANGE', KEYS[1], rank, rank + most - 1, 'WITHSCORES')
  if #due == 0 then
    break
  end
  for i = 1, #due, 2 do
    local key = due[i]
    local seen = ARGV[4] ~= '' and tonumber(due[i + 1]) == tonumber(ARGV[4]) and not is_behind(key, ARGV[5])
    local pending = ARGV[2] .. key
    local size = redis.pcall('HLEN', pending)
    if not seen and type(size) == 'number' and size > 0 and #page < most then
      local failures = redis.call('HGET', pending, 'failures')
      local fields = {}
      if size <= tonumber(ARGV[8]) then
        fields = redis.call('HGETALL', pending)
      elseif budget > 0 then
        fields = redis.call('HSCAN', pending, 0, 'COUNT', ARGV[6])[2]
      end
      budget = budget - #fields / 2
      page[#page + 1] = {
        key,
        string.format('%.0f', due[i + 1]),
        redis.call('EXISTS', ARGV[1] .. key),
        size - (failures and 1 or 0),
        failures or 0,
        fields,
      }
    end
  end
  rank = rank + most
end
return page
