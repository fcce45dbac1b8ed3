package processor_test

// mutants are the errors that the tests have to find, in the order of the
// commit protocol's parts.
var mutants = []mutant{
	{
		name: "no-cas", file: "state/manifest/handle.go",
		old: "etag, err = h.store.PutIf(ctx, h.key, data, h.etag)\n\tif err == nil {",
		new: "etag, err = h.store.Put(ctx, h.key, data)\n\tif err == nil {",
	},
	{
		name: "no-fence-write", file: "state/manifest/handle.go",
		old: "next.Committed = now.UTC()\n\treturn h.commit(ctx, next)",
		new: "next.Committed = now.UTC()\n\th.current = next\n\treturn nil",
	},
	{
		name: "etag-refreshed-blindly", file: "state/manifest/handle.go",
		old: "return \"\", false, h.fenced(found)",
		new: "h.etag = etag\n\t\t\treturn \"\", false, nil",
	},
	{
		name: "ambiguous-is-success", file: "state/manifest/handle.go",
		old: "etag, err = h.store.PutIf(ctx, h.key, data, h.etag)\n\tif err == nil {",
		new: "etag, err = h.store.PutIf(ctx, h.key, data, h.etag)\n\tif err == nil || !errors.Is(err, blob.ErrExists) && !errors.Is(err, blob.ErrChanged) {",
	},
	{
		name: "kcl-first", file: "processor/commit.go",
		old: "\tif err := s.handle.Commit(ctx, c.next); err != nil {\n",
		new: "\ts.checkpoint(ctx, c.next.Seq)\n\tif err := s.handle.Commit(ctx, c.next); err != nil {\n",
	},
	{
		name: "hint-trusted", file: "processor/recover.go",
		old: "position: pad(m.Seq),", new: "position: pad(cfg.Hint),",
	},
	{
		name: "publish-early", file: "processor/commit.go",
		old: "\tif err := s.handle.Commit(ctx, c.next); err != nil {\n",
		new: "\t_ = s.publish(ctx, c.next.Pending)\n\tif err := s.handle.Commit(ctx, c.next); err != nil {\n",
	},
	{
		name: "no-republish", file: "processor/recover.go",
		old: "return s, s.persist(ctx, \"publish\", func() error { return s.publish(ctx, m.Pending) })",
		new: "return s, nil",
	},
	{
		name: "one-parent", file: "processor/reshard.go",
		old: "range slices.Sorted(slices.Values(cfg.Parents)) {",
		new: "range slices.Sorted(slices.Values(cfg.Parents))[:1] {",
	},
	{
		name: "latest-on-child", file: "processor/kcl/reader.go",
		old:  "position{kind: types.ShardIteratorTypeTrimHorizon}",
		new:  "position{kind: types.ShardIteratorTypeLatest}",
		test: []string{"./processor/kcl", "-run=TestDefect08"},
	},
	{
		name: "close-before-roll", file: "processor/lifecycle.go",
		old: "if !s.clean() || state.CompactionDue(m) {", new: "if false && state.CompactionDue(m) {",
	},
	{
		name: "clip-off-by-one", file: "state/key/range.go",
		old: "AppendUint64([]byte{SpaceKeyed}, r.Last+1)", new: "AppendUint64([]byte{SpaceKeyed}, r.Last)",
	},
	{
		name: "dedup-not-inherited", file: "state/read.go",
		old: "return []interval{keyed, {lo: ids, hi: key.PrefixEnd(ids)}}, nil",
		new: "_ = ids\n\t\treturn []interval{keyed}, nil",
	},
	{
		name: "dedup-id-truncated", file: "state/key/dedup.go",
		old: "ok := parseUUID(id); ok {\n\t\treturn u",
		new: "ok := parseUUID(id); ok {\n\t\tclear(u[8:])\n\t\treturn u",
	},
	{
		name: "dedup-hour-from-arrival", file: "processor/shard.go",
		old: "s.ids.seen(e.ID, e.Time, s.watermark)", new: "s.ids.seen(e.ID, it.Arrival, s.watermark)",
	},
	{
		name: "segment-name-fixed", file: "state/delta.go",
		old: "m.Epoch, m.Ckpt, from, to, m.Writer)", new: "int64(0), m.Ckpt, from, to, \"w\")",
	},
	{
		name: "row-log-name-fixed", file: "processor/roll.go",
		old: "m.Epoch, m.Ckpt, m.Writer)\n\tup, err", new: "int64(0), m.Ckpt, \"w\")\n\tup, err",
	},
	{
		name: "takeover-ignores-row-logs", file: "processor/roll.go",
		old: "for _, l := range m.RowLogs {\n\t\tif l.Ckpt > cut {",
		new: "for _, l := range m.RowLogs[len(m.RowLogs):] {\n\t\tif l.Ckpt > cut {",
	},
	{
		name: "roll-keeps-logs", file: "processor/roll.go",
		old: "\t\treturn true\n\t})\n", new: "\t\treturn false\n\t})\n",
	},
	{
		name: "roll-drops-later-logs", file: "processor/roll.go",
		old: "if l.Ckpt > m.Rolled[table].Ckpt {\n\t\t\t\treturn false",
		new: "if l.Ckpt > m.Rolled[table].Ckpt {\n\t\t\t\treturn true",
	},
	{
		name: "cut-not-committed", file: "processor/roll.go",
		old: "s.cutDue(m) {\n\t\tmarkCut(m, m.Ckpt)\n", new: "s.cutDue(m) {\n",
	},
	{
		name: "rolled-not-raised", file: "processor/roll.go",
		old: "m.Rolled[string(t)] = mark\n", new: "_ = mark\n",
	},
	{
		name: "alerts-early", file: "processor/commit.go",
		old: "\tif err := s.handle.Commit(ctx, c.next); err != nil {\n",
		new: "\ts.send(c.alerts)\n\tif err := s.handle.Commit(ctx, c.next); err != nil {\n",
	},
	{
		name: "outbox-cleared-with-commit", file: "processor/commit.go",
		old: "\t\ts.send(c.alerts)\n",
		new: "\t\ts.send(c.alerts)\n\t\tfor _, a := range c.alerts {\n\t\t\ts.outbox.done(a.ID)\n\t\t}\n",
	},
	{
		name: "marker-ignored", file: "state/marker.go",
		old:  "m.Checkpoint > of.Ckpt || m.Epoch > of.Epoch {\n\t\treturn false",
		new:  "m.Checkpoint > of.Ckpt || m.Epoch > of.Epoch {\n\t\treturn bootID == m.BootID",
		test: []string{"./state"},
	},
	{
		name: "boot-id-ignored", file: "state/marker.go",
		old: "m.BootID != bootID ||", new: "",
		test: []string{"./state"},
	},
	{
		name: "tombstones-dropped-early", file: "state/compact.go",
		old: "rows := readSegments(ctx, store, part, nil)\n", new: "rows := segment.Live(readSegments(ctx, store, part, nil))\n",
	},
	{
		name: "segments-out-of-order", file: "processor/commit.go",
		old: "c.next.Segments = append(slices.Clip(c.next.Segments), ref)",
		new: "c.next.Segments = append([]manifest.Segment{ref}, c.next.Segments...)",
	},
	{
		name: "gc-ignores-children", file: "state/gc/gc.go",
		old:  "note := func(key string) {\n",
		new:  "note := func(key string) {\n\t\tif !strings.Contains(key, \"/\"+by+\"/\") {\n\t\t\treturn\n\t\t}\n",
		test: []string{"./state/gc"},
	},
	{
		name: "gc-no-min-age", file: "state/gc/gc.go",
		old: "before: now.Add(-minAge)", new: "before: now",
		test: []string{"./state/gc"},
	},
	{
		name: "stale-commit", file: "processor/commit.go",
		old:  "for oldest := (time.Time{}); time.Since(oldest) >= uploadAge; {",
		new:  "for oldest := (time.Time{}); oldest.IsZero(); {",
		test: inSimulation("-sim.collections=10"),
	},
	{
		name: "dlq-outside-manifest", file: "processor/commit.go",
		old: "c.next.Pending = append(c.next.Pending, f)\n\treturn nil",
		new: "return c.shard.cfg.Lake.Publish(ctx, f.Stage, f.Final)",
	},
	{
		name: "seq-string-compare", file: "state/manifest/rules.go",
		old: "if c := cmp.Compare(len(a), len(b)); c != 0 {", new: "if c := cmp.Compare(0, 0); c != 0 {",
	},
	{
		name: "commit-inside-aggregate", file: "processor/shard.go",
		old: "\tif !whole {\n\t\treturn nil\n\t}\n\ts.position", new: "\ts.position",
	},
	{
		name: "replay-commits-by-clock", file: "processor/commit.go",
		old: "if s.cfg.CommitEvery <= 0 {\n\t\treturn nil", new: "if s.cfg.CommitEvery < 0 {\n\t\treturn nil",
		test: []string{"./processor/replay"},
	},
	{
		name: "watermark-falls", file: "processor/shard.go",
		old: "\tif !to.After(s.watermark) {\n\t\treturn nil\n\t}\n", new: "",
	},
	{
		name: "snapshot-without-pre-image", file: "processor/inventory.go",
		old: "if boundary.IsZero() {\n\t\treturn nil", new: "if true {\n\t\treturn nil",
	},
	{
		name: "merge-snapshots-twice", file: "processor/reshard.go",
		old: "Lo: cut[0], Hi: cut[1], Through: part.Through}", new: "Lo: cut[0], Hi: cut[1]}",
	},
	{
		name: "old-rule-windows-reused", file: "processor/rule/resolve.go",
		old: "r.Version = r.stateHash()", new: "r.Version = r.ID",
		test: []string{"./processor/rule", "./processor/detect"},
	},
	{
		name: "dir-put-without-fsync", file: "state/blob/dir_write.go",
		old: "if err := u.file.Sync(); err != nil {", new: "if err := error(nil); err != nil {",
		test: []string{"./state/blob", "-run=TestPowerLoss"},
	},
}
