-- KEYS  lists
-- Returns the length of each, as of one moment.
local sizes = {}
for index, key in ipairs(KEYS) do
  sizes[index] = redis.call('LLEN', key)
end
return sizes
