package upload

import (
	"slices"
	"strings"
)

// chartLinks are the charts of a document whose figures come from a file elsewhere, as
// Office makes them where one is pasted from a workbook. Such a link is of the kind by
// which documents load objects, but a chart shows what it has, and only who edits it
// follows the link. Which parts are charts, their content alone tells, and it may stand
// before the link or behind it: the end of the archive decides.
type chartLinks struct {
	linked, charts []uint64 // hashes of names, as OPC compares them
}

// maxChartLinks is how many charts are remembered, and how many that have links.
const maxChartLinks = 128

// link notes the source of a part of relationships, and tells whether it may be a chart.
func (c *chartLinks) link(rels string) bool {
	lower := strings.ToLower(rels)
	folder, base, found := strings.Cut(lower, "charts/_rels/")
	part, is := strings.CutSuffix(base, ".rels")
	if !found || !is || strings.ContainsAny(lower, `%\`) || len(c.linked) == maxChartLinks {
		return false
	}
	c.linked = append(c.linked, chartName(folder+"charts/"+part))
	return true
}

// chart notes a part that is one.
func (c *chartLinks) chart(name string) {
	if len(c.charts) < maxChartLinks {
		c.charts = append(c.charts, chartName(name))
	}
}

func chartName(name string) uint64 {
	var n memberNames
	return n.hash(name)
}

// end tells whether something other than a chart is linked so.
func (c *chartLinks) end() *Refusal {
	for _, l := range c.linked {
		if !slices.Contains(c.charts, l) {
			return externalObject("oleobject")
		}
	}
	return nil
}

func externalObject(kind string) *Refusal {
	return refuse("GH-OFF-002", "a document with an external "+kind)
}
