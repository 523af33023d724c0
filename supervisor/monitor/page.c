/* page - HTML, style and script of the window. */

#include "supervisor/monitor/page.h"

static const char style[] =
	":root{color-scheme:light dark;--line:#8884;--dim:#777;--good:#18794e;--bad:#c62828;"
	"--warn:#b26a00}\n"
	"@media(prefers-color-scheme:dark){:root{--dim:#999;--good:#4cc38a;--bad:#ff6b6b;"
	"--warn:#ffb224}}\n"
	"body{font:14px/1.45 system-ui,sans-serif;margin:1.5rem auto;max-width:72rem;padding:0 1rem}\n"
	"h1{font-size:1.25rem;margin:0}h2{font-size:1rem;margin:1.6rem 0 .4rem}\n"
	"#verdict{margin:.4rem 0 0}.good{color:var(--good)}.bad{color:var(--bad)}"
	".warn{color:var(--warn)}.dim{color:var(--dim)}\n"
	"table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25rem .7rem .25rem 0;"
	"border-bottom:1px solid var(--line);vertical-align:top}\n"
	"th{font-weight:600;color:var(--dim)}td.n{font-variant-numeric:tabular-nums}"
	"code{font:12px ui-monospace,monospace;overflow-wrap:anywhere}\n"
	".scroll{overflow-x:auto}"
	"dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:.3rem 1.5rem;"
	"margin:0}dl div{display:flex;justify-content:space-between;border-bottom:1px solid var(--line)}"
	"dt{color:var(--dim);white-space:nowrap;margin-right:.7rem}"
	"dd{margin:0;font-variant-numeric:tabular-nums;overflow-wrap:anywhere;text-align:right}\n";

static const char body[] =
	"<header><h1>KMS Connector</h1><p id=\"verdict\" role=\"status\">...</p></header>\n"
	"<main>\n"
	"<h2>Stages</h2><div class=\"scroll\"><table><thead><tr><th>stage<th>state<th>since<th>why"
	"<th>clears</tr></thead><tbody id=\"stages\"></tbody></table></div>\n"
	"<h2>Processes</h2><div class=\"scroll\"><table><thead><tr><th>process<th>state<th>pid"
	"<th>restarts<th>up<th>note</tr></thead><tbody id=\"processes\"></tbody></table></div>\n"
	"<h2>Figures</h2><dl id=\"figures\"></dl>\n"
	"<h2>Latest requests</h2><div class=\"scroll\"><table><thead><tr><th>request<th>state<th>seen"
	"<th>changed<th>reason<th>transaction</tr></thead><tbody id=\"requests\"></tbody></table></div>\n"
	"</main>\n";

static const char script[] =
	"'use strict';\n"
	"const at=id=>document.getElementById(id);\n"
	"function cell(v,cls){const td=document.createElement('td');"
	"td.textContent=v===null||v===undefined?'':String(v);if(cls)td.className=cls;return td}\n"
	"function rows(id,list,make){at(id).replaceChildren(...list.map(x=>{"
	"const tr=document.createElement('tr');tr.append(...make(x));return tr}))}\n"
	"function span(ms){const s=Math.max(0,Math.round(ms/1000));"
	"return s<100?s+' s':s<6000?Math.round(s/60)+' min':s<172800?Math.round(s/3600)+' h':"
	"Math.round(s/86400)+' d'}\n"
	"function mono(v){const td=cell('');const c=document.createElement('code');"
	"c.textContent=v||'';td.append(c);return td}\n"
	"const colour={done:'good',refused:'bad',held:'bad',expired:'warn',retracted:'dim'};\n"
	"function verdict(s,held){const bad=[];\n"
	"if(!s.executor)bad.push('the executor does not answer');\n"
	"for(const p of s.processes)if(p.name!=='supervisor'&&!p.ready)"
	"bad.push(p.name+(p.pid?' is not ready':' does not run'));\n"
	"for(const g of s.stages)if(g.state!=='runs')bad.push(g.name+' is '+g.state);\n"
	"if(held)bad.push(held+(held===1?' request is':' requests are')+' held');\n"
	"at('verdict').textContent=bad.length?bad.join('; '):'everything runs';"
	"at('verdict').className=bad.length?'warn':'good'}\n"
	"async function get(path){const r=await fetch(path,{cache:'no-store'});"
	"if(!r.ok)throw new Error(path+' '+r.status);return r.json()}\n"
	"async function turn(){try{\n"
	"const s=await get('/v1/status');\n"
	"rows('stages',s.stages,g=>[cell(g.name),cell(g.state,g.state==='runs'?'good':'warn'),"
	"cell(g.since_ms?span(s.now_ms-g.since_ms):'','n'),cell(g.why),cell(g.clears)]);\n"
	"rows('processes',s.processes,p=>[cell(p.name),"
	"cell(p.ready?'ready':p.pid?'not ready':'does not run',p.ready?'good':'warn'),"
	"cell(p.pid||'','n'),cell(p.restarts,'n'),cell(p.pid?span(p.uptime_ms):'','n'),cell(p.note)]);\n"
	"at('figures').replaceChildren(...Object.entries(s.figures).map(([k,v])=>{"
	"const d=document.createElement('div'),t=document.createElement('dt'),"
	"e=document.createElement('dd');t.textContent=k.replaceAll('_',' ');e.textContent=v;"
	"d.append(t,e);return d}));\n"
	"if(s.executor){\n"
	"const l=await get('/v1/requests?limit=50');\n"
	"rows('requests',l.requests,q=>[mono(q.id),cell(q.state,colour[q.state]),"
	"cell(span(s.now_ms-q.seen_ms),'n'),cell(span(s.now_ms-q.at_ms),'n'),cell(q.reason),mono(q.tx)])}\n"
	"verdict(s,s.figures.requests_held||0);\n"
	"}catch(e){at('verdict').textContent='no answer: '+e.message;at('verdict').className='bad'}\n"
	"setTimeout(turn,1000)}\n"
	"turn();\n";

void page_print(struct text *t, const char *nonce)
{
	text_add(t, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
		 "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
		 "<title>KMS Connector</title>\n<style nonce=\"%s\">\n", nonce);
	text_bytes(t, BYTES(style, sizeof(style) - 1));
	text_add(t, "</style></head>\n<body>\n");
	text_bytes(t, BYTES(body, sizeof(body) - 1));
	text_add(t, "<script nonce=\"%s\">\n", nonce);
	text_bytes(t, BYTES(script, sizeof(script) - 1));
	text_add(t, "</script>\n</body></html>\n");
}
