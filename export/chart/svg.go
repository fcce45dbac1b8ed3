package chart

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"time"
)

// Measures of the drawing, in pixels.
const (
	width, height = 960.0, 360.0
	left, right   = 70.0, 90.0
	above, below  = 48.0, 40.0
	lineHeight    = 18.0
	captionChars  = 112 // in any usual typeface they fit
	plotWidth     = width - left - right
	plotHeight    = height - above - below
	style         = `text{font:13px sans-serif;fill:#222}.small{font-size:12px;fill:#555}.title{font-weight:bold;font-size:15px}.bar{fill:#8a9bb0}.found{fill:#c0392b}.window{fill:#c0392b;opacity:.1}.band{fill:#4a90d9;opacity:.14}.limit{stroke:#c0392b;stroke-dasharray:6 4}.usual{stroke:#4a90d9}.axis{stroke:#999}`
	timeForm      = "2006-01-02 15:04 MST"
	svgOpen       = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" role="img">` + "\n<style>%s</style>\n<rect width=\"%g\" height=\"%g\" fill=\"#fff\"/>\n"
	ticks         = 4
	mostBars      = 400
	barGap        = 1.0
)

// SVG is the drawing as a document of its own. It can stand in a page or a
// mail; it loads nothing and runs nothing.
func (s *Series) SVG() []byte {
	d := drawing{top: s.top()}
	drawn, by := s.merged(mostBars)
	d.Series = &drawn
	captions := s.Caption
	if by > 1 {
		captions = append(captions[:len(captions):len(captions)], fmt.Sprintf("Each bar is the highest of %d windows of %s.", by, span(s.Step)))
	}
	captions = broken(captions, captionChars)
	full := height + float64(len(captions))*lineHeight
	fmt.Fprintf(&d.b, svgOpen, width, full, style, width, full)
	d.text(left, 24, "title", "start", s.Title)
	d.scale()
	d.window()
	d.band()
	d.bars()
	d.times()
	for i, line := range captions {
		d.text(left, height+float64(i)*lineHeight, "small", "start", line)
	}
	d.b.WriteString("</svg>\n")
	return d.b.Bytes()
}

// drawing is an SVG in the making.
type drawing struct {
	*Series
	b   bytes.Buffer
	top float64
}

func (d *drawing) x(t time.Time) float64 {
	whole := float64(len(d.Values)) * float64(d.Step)
	return left + plotWidth*min(max(float64(t.Sub(d.Start))/whole, 0), 1)
}

func (d *drawing) y(v float64) float64 { return above + plotHeight*(1-min(max(v/d.top, 0), 1)) }

func (d *drawing) text(x, y float64, class, anchor, text string) {
	fmt.Fprintf(&d.b, `<text x="%.1f" y="%.1f" class="%s" text-anchor="%s">`, x, y, class, anchor)
	_ = xml.EscapeText(&d.b, []byte(text)) // a buffer takes everything
	d.b.WriteString("</text>\n")
}

func (d *drawing) rect(class string, x, y, w, h float64) {
	fmt.Fprintf(&d.b, "<rect class=%q x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n", class, x, y, w, h)
}

func (d *drawing) line(class string, y float64) {
	fmt.Fprintf(&d.b, "<line class=%q x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>\n", class, left, left+plotWidth, y, y)
}

// scale draws the axis of values.
func (d *drawing) scale() {
	for i := range ticks + 1 {
		v := d.top * float64(i) / ticks
		d.text(left-8, d.y(v)+4, "small", "end", number(v))
	}
	d.line("axis", d.y(0))
}

// window shades the finding's, and says when it is.
func (d *drawing) window() {
	from, to := d.x(d.From), d.x(d.To)
	if to <= from {
		return
	}
	d.rect("window", from, above, to-from, plotHeight)
	const half = 60 // of the text: it stays above the plot
	d.text(min(max((from+to)/2, left+half), left+plotWidth-half), above-8, "small", "middle", d.From.UTC().Format("15:04")+" – "+d.To.UTC().Format("15:04 MST"))
}

// band draws what was usual and the limit.
func (d *drawing) band() {
	if d.Usual != nil && d.Limit != nil && *d.Limit > *d.Usual {
		d.rect("band", left, d.y(*d.Limit), plotWidth, d.y(0)-d.y(*d.Limit))
	}
	if d.Usual != nil {
		d.line("usual", d.y(*d.Usual))
		y := d.y(*d.Usual)
		if d.Limit != nil {
			y = max(y, d.y(*d.Limit)+lineHeight) // the texts do not lie upon each other
		}
		d.text(left+plotWidth+6, y+4, "small", "start", "usual "+number(*d.Usual))
	}
	if d.Limit != nil {
		d.line("limit", d.y(*d.Limit))
		d.text(left+plotWidth+6, d.y(*d.Limit)+4, "small", "start", "limit "+number(*d.Limit))
	}
}

func (d *drawing) bars() {
	each := plotWidth / float64(max(len(d.Values), 1))
	for i, v := range d.Values {
		if !finite(v) || v <= 0 {
			continue
		}
		class := "bar"
		if d.marked(i) {
			class = "found"
		}
		h := max(d.y(0)-d.y(v), 1)
		d.rect(class, left+float64(i)*each, d.y(0)-h, max(each-barGap, each/2), h)
	}
}

// times draws when the drawing begins and ends.
func (d *drawing) times() {
	y := d.y(0) + lineHeight
	end := d.at(len(d.Values))
	d.text(left, y, "small", "start", d.Start.UTC().Format(timeForm))
	d.text(left+plotWidth, y, "small", "end", end.UTC().Format(timeForm))
}
