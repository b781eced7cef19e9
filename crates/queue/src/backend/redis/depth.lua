-- For each stream in KEYS: messages in it, and how many of these are in hand.

local depths = {}
for _, key in ipairs(KEYS) do
  local pending = redis.pcall('XPENDING', key, 'fleet')
  if pending.err and not string.find(pending.err, 'NOGROUP', 1, true) then error(pending) end
  table.insert(depths, redis.call('XLEN', key))
  table.insert(depths, pending[1] or 0)
end
return depths
