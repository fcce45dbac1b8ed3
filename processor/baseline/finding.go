package baseline

// Evidence is one reason of a score.
type Evidence struct {
	Name  string  `json:"name"` // size_short, size_long, off_hours; for a gauge low, range, level, season, season_level
	Score float64 `json:"score"`
}
