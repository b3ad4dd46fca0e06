-- KEYS  1 workers of one queue
-- ARGV  1 how long a worker is remembered, in ms
-- Returns the values `last seen, ms|what to show` of those seen within that time.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local alive = {}
for _, value in ipairs(redis.call('HVALS', KEYS[1])) do
  local seen = tonumber(string.match(value, '^(%d+)|'))
  if seen and seen + ARGV[1] >= now then
    table.insert(alive, value)
  end
end
return alive
