-- Hands out messages of the streams in KEYS, the first streams first.
-- ARGV: how many at most; for how many milliseconds a message is hidden; "1" to look for messages
-- whose time has run out, too.
-- Returns for each message: place of its stream in KEYS, id, how many times it was delivered, body.

local left, hide, look = tonumber(ARGV[1]), ARGV[2], ARGV[3] == '1'
local taken, n = {}, 0

local function body(fields)
  for at = 1, #fields, 2 do
    if fields[at] == 'm' then return fields[at + 1] end
  end
  -- Not written by us: all that it says, for whoever reads the dead letters.
  return table.concat(fields, ' ')
end

local function put(stream, entry, times)
  taken[n + 1], taken[n + 2], taken[n + 3], taken[n + 4] = stream, entry[1], times, body(entry[2])
  n, left = n + 4, left - 1
end

-- A stream, or its group, may not be there yet, or no more: it is made where it is missed.
local function ask(key, ...)
  local answer = redis.pcall(...)
  if type(answer) == 'table' and answer.err then
    if not string.find(answer.err, 'NOGROUP', 1, true) then error(answer) end
    redis.call('XGROUP', 'CREATE', key, 'fleet', '0', 'MKSTREAM')
    answer = redis.call(...)
  end
  return answer
end

-- A message that was delivered and is in nobody's hand was let go by another's hand, and nobody
-- would ever hear of it again. It is added anew once it is the first of its stream.
local function free(key)
  local delivered
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', key)) do
    local about = {}
    for at = 1, #group, 2 do about[group[at]] = group[at + 1] end
    if about['name'] == 'fleet' then delivered = about['last-delivered-id'] end
  end
  for _ = 1, 100 do
    local first = redis.call('XRANGE', key, '-', delivered, 'COUNT', 1)[1]
    if not first or redis.call('XPENDING', key, 'fleet', first[1], first[1], 1)[1] then return end
    redis.call('XDEL', key, first[1])
    redis.call('XADD', key, '*', unpack(first[2]))
  end
end

for stream, key in ipairs(KEYS) do
  if left == 0 then break end
  if look then
    local cursor, rounds = '0-0', 0
    repeat
      -- This also forgets deliveries whose message was deleted by somebody else.
      local answer = ask(key, 'XAUTOCLAIM', key, 'fleet', 'fleet', hide, cursor, 'COUNT', left)
      for _, entry in ipairs(answer[2]) do
        local delivery = redis.call('XPENDING', key, 'fleet', entry[1], entry[1], 1)
        put(stream, entry, delivery[1][4])
      end
      -- Bounded, so that no look keeps the server busy. What is not reached is behind messages
      -- that are in hand now, and these will be gone, or be found, by a later look.
      cursor, rounds = answer[1], rounds + 1
    until cursor == '0-0' or left == 0 or rounds == 100
    free(key)
  end
  if left > 0 then
    local answer = ask(key, 'XREADGROUP', 'GROUP', 'fleet', 'fleet', 'COUNT', left, 'STREAMS', key, '>')
    if answer then
      for _, entry in ipairs(answer[1][2]) do put(stream, entry, 1) end
    end
  end
end

return taken
