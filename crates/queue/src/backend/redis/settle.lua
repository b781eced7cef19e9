-- Forgets deliveries of the streams in KEYS, or makes them ready again.
-- ARGV: "ack" or "release"; then for each delivery: place of its stream in KEYS, id, how many
-- times the message was delivered then. One that was delivered again since is left alone.

local release = ARGV[1] == 'release'
local ours = {}

for at = 2, #ARGV, 3 do
  local stream, id = tonumber(ARGV[at]), ARGV[at + 1]
  -- Without its group, it is nobody's any more.
  local found = redis.pcall('XPENDING', KEYS[stream], 'fleet', id, id, 1)
  if found.err and not string.find(found.err, 'NOGROUP', 1, true) then error(found) end
  if found[1] and found[1][4] == tonumber(ARGV[at + 2]) then
    ours[stream] = ours[stream] or {}
    table.insert(ours[stream], id)
  end
end

for stream, ids in pairs(ours) do
  local key, again = KEYS[stream], {}
  if release then
    for _, id in ipairs(ids) do
      local entry = redis.call('XRANGE', key, id, id)[1]
      if entry then table.insert(again, entry[2]) end
    end
  end
  redis.call('XACK', key, 'fleet', unpack(ids))
  redis.call('XDEL', key, unpack(ids))
  -- As a new message, so that a waiting receive is woken. A full server lets a script end what it
  -- has begun to write, so nothing is lost between these two.
  for _, fields in ipairs(again) do redis.call('XADD', key, '*', unpack(fields)) end
end
