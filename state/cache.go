package state

// cache keeps rows that were read lately: what the lower level holds under
// keys that no overlay has. It has two generations. When the young one is
// full, the old one is forgotten; a row that is used again moves to the young
// one. That is nearly as good as a list in order of use and needs no list.
type cache struct {
	young, old map[string]*entry
	bytes      int64 // of young
	limit      int64 // of one generation
}

// A row costs more than its bytes: entry, string and slice headers, map slot.
const entryOverhead = 128

func newCache(limit int64) cache {
	return cache{young: map[string]*entry{}, limit: limit / 2}
}

func (c *cache) get(k []byte) (*entry, bool) {
	if e, ok := c.young[string(k)]; ok {
		return e, true
	}
	e, ok := c.old[string(k)]
	if ok {
		c.put(e)
	}
	return e, ok
}

func (c *cache) put(e *entry) {
	size := e.size() + entryOverhead
	if size > c.limit {
		return
	}
	if c.bytes+size > c.limit {
		c.old, c.young, c.bytes = c.young, map[string]*entry{}, 0
	}
	c.young[e.key] = e
	c.bytes += size
}

func (c *cache) drop(k []byte) {
	if e, ok := c.young[string(k)]; ok {
		c.bytes -= e.size() + entryOverhead
		delete(c.young, string(k))
	}
	delete(c.old, string(k))
}
