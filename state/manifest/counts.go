package manifest

// Counts are sums since the shard began. In is the sum of Rows, Duplicates,
// Control and Quarantined; Late rows are among Rows.
type Counts struct {
	In          int64 `json:"in"`
	Rows        int64 `json:"rows"`
	Duplicates  int64 `json:"duplicates"`
	Control     int64 `json:"control"`
	Quarantined int64 `json:"quarantined"`
	Late        int64 `json:"late"`
	Findings    int64 `json:"findings"`
	Alerts      int64 `json:"alerts"`  // findings that are not suppressed
	Changes     int64 `json:"changes"` // rows of resource_changes
	Bytes       int64 `json:"bytes"`   // of the records as JSON
}

// Plus adds the counts of two shards.
func (c Counts) Plus(d Counts) Counts {
	return Counts{
		In: c.In + d.In, Rows: c.Rows + d.Rows, Duplicates: c.Duplicates + d.Duplicates, Control: c.Control + d.Control,
		Quarantined: c.Quarantined + d.Quarantined, Late: c.Late + d.Late, Findings: c.Findings + d.Findings,
		Alerts: c.Alerts + d.Alerts, Changes: c.Changes + d.Changes, Bytes: c.Bytes + d.Bytes,
	}
}

// Minus is what was counted since d.
func (c Counts) Minus(d Counts) Counts {
	return c.Plus(Counts{
		In: -d.In, Rows: -d.Rows, Duplicates: -d.Duplicates, Control: -d.Control, Quarantined: -d.Quarantined, Late: -d.Late,
		Findings: -d.Findings, Alerts: -d.Alerts, Changes: -d.Changes, Bytes: -d.Bytes,
	})
}
