"""Weights of the features of density.py: name, weight, name, weight, ... sorted by name.

A positive weight speaks for content. Fitted by logistic regression (AdaGrad, L2 0.003, 14 passes) on the blocks of
1,250 pages of public extraction benchmarks; on the quarter of the domains that was held out while the features were
chosen, blocks above -0.8 kept 0.904 of the required and left out 0.921 of the forbidden segments. Names with `<...>`,
`role=` or plain letters are tags, roles and words of classes and ids around the block; in names of other features a
space is written `_`.
"""

_TABLE = """
<address> -0.46 <article> 0.14 <aside> -1.85 <blockquote> 0.54 <dd> 0.87 <details> 0.31 <dl> 0.84 <dt> 0.34
<figcaption> -0.64 <figure> -0.16 <footer> -1.91 <form> -0.17 <h2> 0.08 <h3> 0.14 <h4> 0.08 <h5> 0.14 <h6> -0.2
<header> -0.57 <li> 0.18 <main> 0.48 <nav> -0.53 <ol> -0.24 <pre> 0.35 <section> 0.13 <table> 0.23 <tr> 0.23 <ul> 0.21
@always -0.09 @chrome -0.94 @chrome_short -1.5 @code 0.15 @ends_sentence 0.5 @many_links -0.98 @repeated -0.34
@separators -1.19 @short_date -0.54 @upper_case -0.11 aa 0.19 ab -0.08 above -0.55 absolute -0.13 accent 0.11 access
-0.19 accordion -0.32 account 0.13 action -0.11 actions -0.46 active 0.27 ad 0.48 add -0.54 additional -0.33 address
-0.4 advanced 0.73 ae -0.17 af -0.27 after 0.9 ai -0.53 ajax -0.37 akismet -0.27 alert 0.14 aligncenter -0.6 alignment
0.45 alt -0.83 an -0.09 ancestor -0.32 anchor -0.37 and 0.7 animate -0.19 animated -0.25 announcement -0.58 app 0.18
archive 0.29 are 0.28 arrow 0.13 article -0.22 articles 0.16 as -0.41 at -0.47 attachment -0.65 attribution -0.15
author -1.39 auto -0.11 avatar -0.13 back -0.27 badge -0.32 banner -0.42 bar -1.13 basic 0.17 bb -0.17 bc -0.23 bd
0.12 before -0.1 below 0.44 between 0.34 bf -0.36 bg 0.14 big 0.3 bio -0.86 black 0.14 block -0.14 blocks -0.59 blue
0.24 body 0.31 bold -0.16 box -0.21 boxed 0.47 brand 0.17 brands -0.32 breadcrumb 0.37 break 0.45 browser -0.93 btn
-0.26 builder -0.57 bullet 0.12 burger 0.24 business 0.62 button -1.54 buttons -0.42 by -0.57 byline -0.72 ca -0.1
call -0.98 callout 0.28 caption -0.93 card 0.21 cards 0.28 carousel 0.09 cart -0.89 cat 0.7 categories 0.34 cb 0.36 cc
0.27 cd -0.17 cell 0.33 center 0.17 centered -0.29 change -0.54 chars0 -0.35 chars0links0 -0.48 chars1 -0.46
chars1links0 -0.56 chars1links3 -0.11 chars1links4 -0.55 chars1links5 -0.09 chars1links6 -0.24 chars2 -0.29
chars2links0 -0.28 chars2links2 0.27 chars2links3 -0.7 chars2links5 0.14 chars2links6 -0.23 chars3 -0.32 chars3links2
-0.48 chars3links3 -0.15 chars3links5 -0.4 chars4links0 0.3 chars4links1 -1 chars4links2 -0.37 chars4links3 -0.2
chars4links4 -0.43 chars4links5 0.1 chars4links6 0.36 chars5 0.14 chars5links0 0.33 chars5links1 -0.39 chars5links2
0.12 chars5links3 0.34 chars5links4 -0.38 chars5links5 -0.18 chars5links6 -0.15 chars6 0.13 chars6links0 0.29
chars6links1 -0.1 chars6links3 -0.32 chars6links4 0.19 chars6links5 -0.35 chars6links6 -0.12 chars7 0.24 chars7links0
0.27 chars7links1 0.15 chars7links2 0.09 chars7links3 0.2 chars7links4 0.17 chars7links5 -0.74 chars7links6 0.11
chars8 0.26 chars8links0 0.1 chars8links1 0.32 chars8links5 -0.1 chars8links6 -0.39 chars9 0.28 chars9links1 0.73
check 0.35 checkbox -1.24 child 0.83 children 0.12 circle -0.8 clamp 0.37 classic 0.26 clear -0.11 click -0.26 close
-0.15 closed -0.38 cloud 0.62 cn 0.57 col -0.14 collapse -0.42 collapsible 0.48 colophon -0.61 color -0.37 colors 0.34
cols 0.2 column 0.22 comment -1.37 commentform -0.77 comments -0.94 common 0.46 community -0.32 company 0.77 component
-0.21 consent -0.73 cont -0.75 contact -0.79 content 0.17 contents 0.22 control 0.72 controls -0.72 cookie -1.36
cookies -0.31 copy -0.33 copyright -1.17 core -0.22 count -0.9 counter 0.54 country -0.29 create -0.19 credit -0.57
crumb -0.54 css 0.37 cta -1.02 current 0.63 custom -0.46 da -0.31 dark 0.38 data 0.27 date 0.5 db -0.32 dc -0.42 dd
-0.3 de 0.15 default -0.21 depth -1.38 depth1 -0.09 depth2 -0.13 depth3 0.25 depth4 -0.15 depth5 -0.43 depth6 0.32
desc 0.38 description -0.26 design 0.38 desktop 0.16 detail -0.09 details 0.65 df 0.17 dialog -0.27 direction 0.11
disabled -1.35 disclaimer -1.1 display -0.31 div 0.43 divider -0.1 do 0.42 dom -0.32 down -0.54 download -0.18 drawer
-0.27 drop 0.52 dropdown -0.64 dt -0.44 dynamic 0.41 ea 0.54 eb 0.2 ec 0.42 ed -0.2 edit 0.37 ee 0.13 ef 0.15 el -0.27
elementor 0.33 elements -0.54 email -0.74 embed -1.29 embedded -0.85 empty 0.6 en 0.26 enabled 0.27 end -0.61 entity
-0.28 entries -0.28 entry 0.29 equal 0.52 error -0.86 et -0.83 even -0.29 event 0.48 events -0.31 excerpt -0.32 expand
-0.18 expandable -0.92 expanded 0.21 explore -0.33 external 0.28 extra -0.14 eyebrow -0.24 fa -0.42 facebook 0.13 fade
-0.12 false 0.18 faq 1.44 faqs 0.54 fb -0.43 fd 0.15 featured 0.28 features 0.46 feed 0.33 feedback -0.88 ff -0.54
field 0.61 fields -0.24 figure -0.38 first -0.65 fit 0.14 fixed -0.47 fl 0.31 flat -0.48 flex -0.16 float -0.23 flow
0.6 flyout -1.61 fn -0.73 focusable -0.53 follow -0.34 font 0.12 foot -0.55 footer -1.51 for 0.31 form -0.71 format
0.16 forum 0.97 four -0.85 frame -0.12 fs -0.62 ft -0.43 full 0.32 fullwidth -0.33 gallery -0.3 gap -0.3 get -0.62 gf
-0.76 global -0.12 go 0.19 google -0.09 gradient -0.26 gray -0.29 green 0.11 grey -0.31 grid 0.34 group0 -0.58
group0chars0 -0.5 group0chars1 -0.48 group0chars2 -0.61 group0chars3 -0.3 group0chars4 -0.25 group0chars5 0.1
group0chars6 -0.36 group0chars8 -0.51 group1 -0.46 group1chars0 0.57 group1chars1 -0.26 group1chars2 -0.24
group1chars3 -0.3 group1chars5 -0.4 group1chars6 -0.13 group1chars7 -0.53 group2 -0.12 group2chars0 0.5 group2chars1
-0.56 group2chars4 0.29 group2chars5 0.61 group2chars6 0.12 group2chars7 -0.33 group3 0.53 group3chars0 0.4
group3chars1 0.71 group3chars2 0.73 group3chars3 0.42 group3chars4 0.16 group3chars5 -0.15 group3chars6 0.46
group3chars7 0.33 group3chars8 -0.11 group3chars9 0.62 group4 0.77 group4chars0 -0.3 group4chars1 0.5 group4chars2
0.83 group4chars3 0.12 group4chars6 0.55 group4chars7 0.61 group4chars8 0.2 group4chars9 0.23 group5 0.96 group5chars0
0.09 group5chars1 0.24 group5chars2 0.15 group5chars3 0.37 group5chars4 0.51 group5chars5 0.43 group5chars6 0.74
group5chars7 0.86 group5chars8 0.78 group5chars9 0.1 grow -0.13 guest 0.37 guide 0.62 gutters -1.06 half -0.29 has
0.13 header -0.23 heading 0.36 headline -0.73 height -0.26 help 0.57 hentry 0.18 hero 0.23 hfeed -0.61 hidden -0.35
hide -0.09 highlight 0.1 holder -0.1 home 0.19 horizontal 0.15 hover 0.1 how 0.37 hr -0.54 hs 0.2 html 0.41 icon -0.63
icons -0.53 id 0.13 ignore 0.48 image -0.27 img -0.22 important -0.27 indicator 0.63 info -0.34 information -0.1
inherit 0.16 initial 0.38 inline -0.15 input -0.94 inset 0.72 inside -0.37 instagram -1.12 intro 0.74 invisible -1.14
is 0.09 it -0.09 items -0.15 job 0.78 js -0.26 jump -0.2 justified -1.27 justify 0.22 key -0.44 labels -0.28 lang 0.16
language -0.41 latest 0.31 layout 0.11 lb -0.28 lead -0.24 learn 0.12 left 0.1 legal -0.44 level 0.39 lg -0.15 li -0.7
light -0.12 like -0.82 linkedin 0.3 links -0.64 links0 0.09 links1 -0.12 links2 -0.09 links3 -0.19 links4 -0.35 links5
-0.27 links6 -0.08 list 0.09 listing 0.44 load -0.93 loading 0.11 location -0.34 log -0.12 logged 0.78 login -0.89
logo -0.49 long 0.15 loop -0.86 ls -0.17 mail 0.42 margin -0.15 masthead -0.12 mb -0.15 mc -0.23 me -0.99 media -0.51
medium -0.18 mega -0.92 megamenu -0.79 member 0.2 menu -0.25 menus -0.6 meta -0.18 metadata -0.73 mid -0.38 middle
0.77 mini -0.37 ml 0.63 mm 0.14 mob 0.58 mod 0.21 modal -1.08 mode -0.18 module 0.23 more -0.64 ms -0.1 mt -0.16 mv
0.4 mx 0.1 name 0.64 narrow 0.12 nav -0.09 navbar -0.71 navigation -0.31 near-1:0l4 -0.4 near-1:0l5 -0.49 near-1:0l6
0.19 near-1:1l0 0.18 near-1:1l3 -0.15 near-1:1l4 0.09 near-1:1l6 -0.28 near-1:2l2 -0.49 near-1:2l3 -0.58 near-1:2l4
-0.38 near-1:2l6 -0.21 near-1:3l0 -0.13 near-1:3l1 0.48 near-1:3l2 0.77 near-1:3l3 0.09 near-1:3l4 -0.13 near-1:3l5
-0.61 near-1:3l6 -0.16 near-1:4l1 -0.23 near-1:4l2 0.1 near-1:4l3 0.19 near-1:4l4 0.59 near-1:4l5 -0.26 near-1:4l6
-0.37 near-1:5l0 0.1 near-1:5l1 0.54 near-1:5l2 -0.38 near-1:5l3 0.65 near-1:5l6 -0.42 near-1:6l1 0.23 near-1:6l3 0.2
near-1:6l4 0.15 near-1:6l5 0.12 near-1:6l6 -0.29 near-1:7l0 0.25 near-1:7l1 0.37 near-1:7l2 0.34 near-1:7l3 0.55
near-1:7l4 0.52 near-1:7l5 -0.39 near-1:7l6 0.27 near-1:8l0 0.15 near-1:8l1 0.18 near-1:8l2 0.15 near-1:8l5 0.34
near-1:8l6 -0.26 near-1:9l0 -0.24 near-1:9l1 -0.62 near-1:none -0.9 near-2:0l0 -0.14 near-2:0l4 0.45 near-2:0l5 -0.37
near-2:0l6 -0.14 near-2:1l4 -0.69 near-2:1l5 -0.7 near-2:1l6 -0.16 near-2:2l2 -0.32 near-2:2l3 0.47 near-2:2l5 -0.21
near-2:3l0 0.21 near-2:3l1 -0.67 near-2:3l3 0.48 near-2:3l4 0.73 near-2:3l5 -0.21 near-2:4l0 0.2 near-2:4l1 -0.21
near-2:4l2 0.26 near-2:4l3 -0.55 near-2:4l4 0.38 near-2:4l5 0.17 near-2:5l0 0.55 near-2:5l1 -0.15 near-2:5l2 -0.09
near-2:5l3 0.14 near-2:5l4 -0.19 near-2:5l6 -0.23 near-2:6l1 0.08 near-2:6l2 0.46 near-2:6l3 -0.26 near-2:6l4 -0.32
near-2:6l5 0.68 near-2:7l0 0.2 near-2:7l1 0.33 near-2:7l2 0.41 near-2:7l3 -0.1 near-2:7l6 -0.69 near-2:8l0 -0.1
near-2:8l1 0.11 near-2:8l2 -0.3 near-2:8l5 0.24 near-2:8l6 -0.56 near-2:9l0 -0.64 near-2:9l1 -0.13 near-2:none -0.39
near1:1l3 -0.29 near1:1l4 -0.24 near1:1l5 0.41 near1:1l6 -0.29 near1:2l2 0.35 near1:2l3 -0.2 near1:2l4 0.36 near1:2l5
0.54 near1:2l6 -0.19 near1:3l1 -0.47 near1:3l2 0.42 near1:3l3 -0.33 near1:3l4 0.8 near1:3l5 -0.13 near1:3l6 -0.29
near1:4l1 -0.21 near1:4l4 0.71 near1:4l5 0.1 near1:4l6 -0.32 near1:5l0 0.17 near1:5l1 -0.34 near1:5l2 0.35 near1:5l3
0.49 near1:5l4 0.19 near1:5l5 0.45 near1:5l6 -0.66 near1:6l0 0.13 near1:6l1 -0.21 near1:6l3 0.37 near1:6l4 -0.13
near1:6l5 -0.56 near1:6l6 -0.09 near1:7l0 0.14 near1:7l1 0.2 near1:7l2 0.19 near1:7l3 0.63 near1:7l5 -0.4 near1:7l6
0.17 near1:8l0 0.34 near1:8l1 0.19 near1:8l2 0.72 near1:8l5 0.42 near1:9l0 -0.17 near1:9l1 -0.19 near1:none -0.52
near2:0l4 -0.34 near2:0l5 -0.19 near2:1l3 -0.22 near2:1l4 -0.22 near2:1l5 0.62 near2:1l6 -0.13 near2:2l0 0.15
near2:2l2 0.39 near2:2l3 -0.67 near2:2l4 0.42 near2:2l5 -0.48 near2:2l6 -0.3 near2:3l0 0.25 near2:3l1 -0.18 near2:3l2
-0.17 near2:3l3 0.3 near2:3l4 -0.17 near2:3l5 0.11 near2:4l0 0.17 near2:4l1 -0.43 near2:4l2 -0.32 near2:4l3 -0.38
near2:4l4 0.13 near2:4l5 -0.4 near2:4l6 -0.53 near2:5l0 0.37 near2:5l1 -0.46 near2:5l3 0.64 near2:5l4 -0.37 near2:5l5
0.32 near2:5l6 -0.64 near2:6l0 0.21 near2:6l1 0.2 near2:6l3 0.39 near2:6l4 0.61 near2:6l6 -0.42 near2:7l0 0.19
near2:7l1 0.48 near2:7l2 0.37 near2:7l3 0.46 near2:7l4 0.28 near2:7l5 -0.2 near2:7l6 -0.15 near2:8l0 0.15 near2:8l1
0.15 near2:8l2 -0.11 near2:8l6 0.3 near2:9l0 -0.49 near2:9l1 0.15 near2:none -0.68 neartag-1:aside -0.33
neartag-1:body -0.14 neartag-1:dt 0.34 neartag-1:fieldset -0.21 neartag-1:figcaption -0.14 neartag-1:footer -0.49
neartag-1:form 0.19 neartag-1:h1 0.41 neartag-1:h2 0.28 neartag-1:h3 -0.09 neartag-1:h4 -0.47 neartag-1:h5 -0.75
neartag-1:h6 0.34 neartag-1:header 0.15 neartag-1:legend -0.17 neartag-1:nav 0.15 neartag-1:p -0.17 neartag-1:pre 0.14
neartag-1:section -0.3 neartag-1:ul -0.43 neartag-2:blockquote -0.54 neartag-2:body -0.19 neartag-2:dt 0.68
neartag-2:fieldset -0.54 neartag-2:footer -0.39 neartag-2:form 0.25 neartag-2:h1 0.1 neartag-2:h2 0.12 neartag-2:h3
-0.14 neartag-2:h4 -0.33 neartag-2:h5 -0.71 neartag-2:h6 0.83 neartag-2:header 0.23 neartag-2:legend -0.31
neartag-2:pre 0.99 neartag-2:section 0.21 neartag-2:summary 0.14 neartag-2:tr -0.2 neartag-2:ul -0.27 neartag1:address
-0.25 neartag1:aside -0.12 neartag1:blockquote 0.53 neartag1:body -0.45 neartag1:dd -0.89 neartag1:div -0.18
neartag1:dt 0.41 neartag1:fieldset -0.34 neartag1:figcaption 0.27 neartag1:footer -0.71 neartag1:form -0.76
neartag1:h1 -0.89 neartag1:h2 0.16 neartag1:h4 -0.29 neartag1:h5 0.22 neartag1:h6 -0.41 neartag1:header 0.58
neartag1:legend -0.91 neartag1:li 0.11 neartag1:nav -0.89 neartag1:p 0.19 neartag1:pre 0.57 neartag1:section -0.34
neartag1:summary -0.45 neartag1:ul -0.16 neartag2:address -0.26 neartag2:aside -0.43 neartag2:blockquote 0.78
neartag2:body -0.22 neartag2:dd 0.14 neartag2:dt 0.24 neartag2:fieldset -0.37 neartag2:footer -0.34 neartag2:h2 0.24
neartag2:h4 -0.3 neartag2:h5 0.09 neartag2:h6 -0.23 neartag2:legend -0.35 neartag2:nav 0.26 neartag2:pre 1.05
neartag2:summary -0.15 neartag2:tr -0.25 neartag2:ul -0.36 nested -0.35 network -0.48 neutral 0.39 new 0.22 newsletter
-0.76 node 0.47 none -0.49 normal 0.24 not -0.3 note 0.26 notes -0.43 notice -0.98 notification 0.26 nowrap -0.58
number 0.23 object -0.19 odd 0.26 off -0.27 offcanvas -0.29 offset 0.3 on 0.17 one 0.11 opacity 0.41 open 0.25 option
-0.39 options 0.38 or -0.1 orange -0.51 order -0.15 ot -0.29 other -0.33 our 0.6 out 0.36 outer -0.4 outline 0.46
overflow 0.15 overlay -0.4 overview -0.3 page0chars0 0.46 page0chars1 0.31 page0chars2 0.89 page0chars3 0.77
page0chars4 1.05 page0chars5 1.32 page0chars6 1.16 page1chars0 0.25 page1chars1 -0.1 page1chars2 0.31 page1chars3 0.31
page1chars4 0.31 page1chars5 0.52 page1chars6 0.92 page1chars7 0.57 page1chars8 0.93 page2chars0 -0.37 page2chars2
-0.41 page2chars3 -0.29 page2chars4 -0.18 page2chars6 0.24 page2chars7 0.63 page2chars8 0.58 page2chars9 1.25
page3chars0 -0.73 page3chars1 -0.58 page3chars2 -0.51 page3chars3 -0.19 page3chars4 -0.38 page3chars5 -0.66
page3chars8 0.19 page3chars9 0.81 page4chars0 -0.12 page4chars1 -0.56 page4chars2 -0.75 page4chars3 -0.6 page4chars4
-0.34 page4chars5 -0.38 page4chars6 -0.5 page4chars7 -0.21 page4chars9 -0.36 pages -0.73 pagination -0.99 pane 0.12
panel -0.48 paragraph 0.19 part 0.11 pb -0.24 phone 0.08 pinterest -0.21 pl -0.09 place0 -0.29 place1 0.23 place10
-1.15 place3 0.45 place4 0.62 place5 0.57 place7 -0.63 place8 -0.78 place9 -0.96 placeholder -0.33 plain -0.13 plus
-0.44 pointer -0.19 policy -0.9 pop -0.56 popular -0.24 populated 0.31 popup -1.29 position 0.87 posted -0.84 posts
-0.26 pr -0.29 pre 0.15 prefix 0.44 prev -1.04 preview -0.23 previous -0.74 price -0.47 pricing 0.94 primary -0.45
print -0.77 privacy 0.1 pro 0.96 product 0.37 products 0.2 profile -0.32 promo -0.91 prompt -1.3 prose 1.09 pt -0.2
published 0.36 pull -0.37 purple -0.77 push -0.23 px 0.35 py -0.08 question 0.63 quick 0.28 quote 0.72 radio -0.69
rail 0.1 read 0.46 reader -1.11 reading 0.34 recent -1.47 reference 0.42 region -0.14 register -0.7 regular 0.78
related -1.59 relative 0.18 rem 0.48 remove -0.61 repeater 0.83 required -0.75 reset -0.12 respond -0.89 responsive
0.91 result -0.61 results 0.36 reverse 0.37 review -0.09 reviews -0.13 rich 0.48 richtext 0.27 right -0.48
role=article -0.4 role=banner -0.49 role=button -0.96 role=complementary -1.56 role=contentinfo -0.76 role=dialog
-1.44 role=document -0.31 role=group -0.39 role=heading 0.24 role=link 0.34 role=list -0.31 role=listitem -0.68
role=main 0.23 role=menu -0.13 role=menubar -0.72 role=menuitem -0.14 role=navigation -0.74 role=none -0.41
role=presentation -0.61 role=region 0.78 role=search -0.63 role=tab -0.45 role=tablist 1.33 role=tabpanel 0.35 root
0.47 rounded 0.09 row 0.1 rss -0.18 sb -0.14 scale -0.41 screen -0.09 scroll -0.35 scroller -0.61 sd 0.26 search -0.27
sec -0.16 sections -0.93 select 0.2 selected -0.51 selector 0.11 self -0.41 semibold 0.4 separator -0.47 service 0.34
services 0.12 set -0.8 settings 0.83 sf 0.09 share -0.33 sharing -0.47 shop 0.47 short -0.41 shortcode 0.11 show -0.32
shrink -0.55 side -0.19 sidebar -0.34 sign -0.41 signup -1.12 single 0.1 site 0.12 size 0.55 skin -0.14 skip 0.83
slider 0.47 slides 0.53 sm 0.23 small -0.32 social -0.29 solid -0.68 solutions -0.31 source -0.71 sp 0.44 space -0.11
spacer -0.56 spacing 0.6 span 0.1 split 0.25 sr -1.12 st 0.28 stack 0.62 standard 0.08 state 1.38 static 0.45 status
-0.1 stops1 -0.09 store -0.2 stories 0.85 story -0.32 stretch -0.46 string -0.09 style 0.51 sub -0.16 subheading -0.22
submenu -0.98 subnav 0.12 subscribe -1.22 subscription -1.02 success -0.19 summary 0.28 support 0.35 swiper 0.14
switch 0.16 switcher -0.79 system 0.39 tab 0.7 table 0.32 tabs 0.18 tag:address -0.49 tag:aside -0.53 tag:asidelinks0
-0.44 tag:blockquote 0.14 tag:blockquotelinks0 0.56 tag:body 0.22 tag:bodychars2 -0.28 tag:bodylinks6 -0.33 tag:dd
-0.96 tag:ddchars0 -0.22 tag:ddchars1 -0.17 tag:ddchars2 -0.54 tag:ddlinks0 -0.97 tag:div -0.19 tag:divchars0 -0.12
tag:divchars1 -0.32 tag:divchars2 -0.41 tag:divchars3 -0.13 tag:divchars4 -0.57 tag:divchars5 0.19 tag:divchars7 0.2
tag:divchars8 0.4 tag:divchars9 0.24 tag:divlinks0 0.14 tag:divlinks1 -0.51 tag:divlinks4 -0.99 tag:divlinks6 -0.2
tag:dt -0.11 tag:dtchars0 -0.57 tag:dtchars1 -1.15 tag:dtlinks0 -1.22 tag:fieldset -0.57 tag:fieldsetlinks0 -0.41
tag:figcaption -0.4 tag:figcaptionchars2 -0.33 tag:figcaptionchars3 -0.57 tag:figcaptionchars4 -0.46
tag:figcaptionchars5 -0.75 tag:figcaptionchars6 0.23 tag:figcaptionlinks0 -0.25 tag:footer -0.66 tag:form -0.3
tag:formchars2 -0.11 tag:formchars3 -0.19 tag:formlinks0 -0.25 tag:h1chars0 0.42 tag:h1chars1 -0.34 tag:h1chars2 0.44
tag:h1chars3 0.4 tag:h1chars4 -0.5 tag:h1chars5 -0.76 tag:h1links0 -0.17 tag:h1links6 0.22 tag:h2chars0 -0.19
tag:h2chars1 -0.52 tag:h2chars2 -0.52 tag:h2chars4 0.39 tag:h2chars5 0.16 tag:h2chars6 0.33 tag:h2links6 0.21 tag:h3
0.11 tag:h3chars0 0.85 tag:h3chars1 0.12 tag:h3chars3 -0.13 tag:h3chars5 0.34 tag:h3chars6 0.57 tag:h3links0 -0.16
tag:h3links3 0.35 tag:h3links6 0.23 tag:h4chars0 0.44 tag:h4chars4 -0.17 tag:h4chars6 0.23 tag:h4links6 0.12 tag:h5
0.14 tag:h5chars0 0.14 tag:h5chars1 -0.99 tag:h5chars2 -0.49 tag:h5chars3 0.11 tag:h5chars4 -0.08 tag:h5chars5 0.78
tag:h5links0 -0.27 tag:h5links6 0.64 tag:h6 -0.2 tag:h6chars1 0.44 tag:h6chars2 -0.34 tag:h6chars3 -0.36 tag:h6chars4
0.71 tag:h6links0 -0.17 tag:h6links6 -0.22 tag:headerchars2 -0.25 tag:headerchars3 -0.24 tag:headerlinks0 -0.22
tag:headerlinks6 0.59 tag:legend -0.74 tag:legendlinks0 -0.74 tag:li 0.1 tag:lichars0 -0.7 tag:lichars3 0.13
tag:lichars4 0.26 tag:lichars5 0.55 tag:lichars6 0.08 tag:lichars8 -0.47 tag:lichars9 0.58 tag:lilinks0 0.89
tag:lilinks2 0.16 tag:lilinks3 -0.46 tag:lilinks4 0.44 tag:lilinks6 -0.23 tag:nav -0.87 tag:navchars2 -0.24
tag:navchars3 -0.49 tag:navlinks0 -0.27 tag:navlinks5 -0.42 tag:navlinks6 -0.58 tag:p 0.13 tag:pchars1 -0.38
tag:pchars2 0.16 tag:pchars3 -0.25 tag:pchars5 -0.24 tag:pchars7 0.29 tag:pchars8 0.29 tag:pchars9 0.31 tag:plinks0
0.17 tag:plinks1 0.23 tag:plinks3 -0.12 tag:plinks4 0.42 tag:plinks5 -0.35 tag:plinks6 -0.26 tag:pre -0.15
tag:prechars5 0.16 tag:prechars6 0.22 tag:prechars8 -0.68 tag:prechars9 -0.73 tag:prelinks0 -0.21 tag:section -0.39
tag:sectionlinks0 -0.12 tag:sectionlinks6 -0.16 tag:summary -0.3 tag:summarylinks0 -0.3 tag:tr 0.12 tag:trchars0 -0.79
tag:trchars1 0.54 tag:trchars2 0.47 tag:trchars3 0.63 tag:trchars4 -0.36 tag:trchars5 0.15 tag:trchars7 0.29
tag:trlinks0 0.22 tag:trlinks6 0.61 tag:ul -0.27 tagcloud -0.27 tagline -1.43 tags -0.17 target 0.51 taxonomy -0.7 tb
0.63 teaser -1.36 term -0.72 terms -0.24 tertiary -0.56 test -0.46 testimonial 0.43 text 0.33 textarea -0.28
textwidget -1.31 the 0.37 theme -0.22 third -0.39 this 0.59 thread -0.28 three 0.26 thumbnail -0.2 tight -0.35 tile
-0.33 time 0.09 tips 1.15 title -0.37 title:1 0.59 title:2 0.24 title:3 0.45 title:4 0.08 title:5 -0.11 title:before
-0.78 title:none -0.09 to 0.38 toc 0.94 toggle 0.09 tooltip 0.12 topbar -0.34 topic 0.71 total -0.45 track -0.57
tracking -0.22 transition -0.15 translate -0.83 transparent 0.52 trigger -0.39 tw -0.29 two -0.35 txt -0.24 type -0.34
ui -0.36 ul -0.19 underline -0.21 unstyled -0.41 updated 0.26 upper -0.67 uppercase -0.18 url -0.36 us -0.17 use -0.44
user 0.45 username -1.35 utility -0.39 validation -0.58 valign -0.3 value 0.21 vcard -0.56 vertical 0.58 video -0.38
view -0.09 views -0.15 visibility -0.48 visible -0.17 visually 0.1 warning -0.44 we 1.37 web 0.82 weight 0.41 what
0.85 whitespace 0.17 why 0.34 wide 0.1 widget -0.37 widgets -0.66 widgettitle -0.55 width 0.15 window -0.22 with -0.09
work -0.73 wp 0.3 wrap 0.17 xl 0.13 yellow -0.27 you -0.46 your -0.55 youtube -0.42
"""


def _read_table() -> dict[str, float]:
    fields = _TABLE.split()
    return {name: float(weight) for name, weight in zip(fields[::2], fields[1::2], strict=True)}


WEIGHTS = _read_table()
