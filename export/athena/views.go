package athena

import (
	_ "embed"
	"strings"
	"time"
)

// views are the four views, in Trino's dialect, which Athena wants for them.
func (o *Options) views() []Statement {
	view := func(name, body string) Statement {
		body = strings.TrimSpace(strings.ReplaceAll(body, "${db}", o.Database))
		return Statement{View, name, "CREATE OR REPLACE VIEW " + o.Database + "." + name + " AS\n" + body}
	}
	current := currentView
	if o.Pin != "" {
		current = "SELECT r.* FROM ${db}.resources r WHERE r.snapshot = '" + o.Pin + "'"
	}
	return []Statement{
		view("resources_current", current),
		view("resource_history", historyView),
		view("findings_open", openView),
		view("events_deduplicated", deduplicatedView),
	}
}

// A snapshot that is still being written is not shown: the shares of its
// shards do not add up to the whole stream yet. They are sums of fractions,
// hence not exactly 1.
const currentView = `
WITH complete AS (
  SELECT snapshot_id FROM ${db}.progress WHERE table_name = 'resources' GROUP BY snapshot_id HAVING sum(hash_share) > 0.999999
)
SELECT r.* FROM ${db}.resources r WHERE r.snapshot = (SELECT max(snapshot_id) FROM complete)`

const historyView = `
SELECT c.*, c.event_ts AS valid_from,
  lead(c.event_ts) OVER (PARTITION BY c.resource_key ORDER BY c.version) AS valid_to
FROM ${db}.resource_changes c`

// Steps of one finding at one time happen in the order start, update, end,
// resolved.
const openView = `
SELECT * FROM (
  SELECT f.*, row_number() OVER (
    PARTITION BY f.finding_id
    ORDER BY f.event_ts DESC,
      CASE WHEN f.state = 'resolved' THEN 0 WHEN f.state_reason = 'end' THEN 1 WHEN f.state_reason = 'update' THEN 2 ELSE 3 END
  ) AS rn
  FROM ${db}.findings f
) WHERE rn = 1 AND state <> 'resolved' AND suppressed_by IS NULL AND NOT staged`

// dt stands in the window so that a filter on dt reaches the files.
const deduplicatedView = `
SELECT * FROM (
  SELECT e.*, row_number() OVER (
    PARTITION BY e.dt, e.eventid ORDER BY e.arrival_ts, e.shard, e.sequence, e.ordinal
  ) AS copy
  FROM ${db}.events e
) WHERE copy = 1`

//go:embed resources_as_of.sql
var asOf string

// ResourcesAsOf is the query for the resources that existed at a moment, with
// their attributes and tags as of then, folded from resource_changes. A view
// takes no parameter, so it is a template.
func ResourcesAsOf(database string, at time.Time) string {
	r := strings.NewReplacer("${db}", database, "${at}", at.UTC().Format("2006-01-02 15:04:05.000"))
	return strings.TrimSpace(r.Replace(asOf))
}
