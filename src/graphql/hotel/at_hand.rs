//! What of hotels is written at once: a page of them that is in memory.

use std::sync::Arc;

use async_graphql::SelectionField;
use async_graphql::connection::PageInfo;

use crate::graphql::connection::text_cursor;
use crate::graphql::written::{Fields, Selection, Write};
use crate::store::hotels::Hotel;
use crate::store::page::Page;

impl Fields for Hotel {
    const TYPE_NAME: &'static str = "Hotel";

    fn write(field: &SelectionField<'_>) -> Option<Write<Self>> {
        Some(match field.name() {
            "id" => Box::new(|hotel, _, json| json.text_id("hotel", &hotel.id)),
            "pmsHotelId" => Box::new(|hotel, _, json| json.value(&hotel.id)),
            "name" => Box::new(|hotel, _, json| json.value(&hotel.name)),
            "brand" => Box::new(|hotel, _, json| json.value(&hotel.brand)),
            "country" => Box::new(|hotel, _, json| json.value(&hotel.country)),
            "city" => Box::new(|hotel, _, json| json.value(&hotel.city)),
            "address" => Box::new(|hotel, _, json| json.value(&hotel.address)),
            "pmsType" => Box::new(|hotel, _, json| json.value(&hotel.pms_type)),
            "active" => Box::new(|hotel, _, json| json.value(&hotel.active)),
            "createdAt" => Box::new(|hotel, _, json| json.time(Some(hotel.created_at))),
            "updatedAt" => Box::new(|hotel, _, json| json.time(Some(hotel.updated_at))),
            _ => return None,
        })
    }
}

/// A page of the hotels that a user reaches, and how many there are in all, where that is known.
pub struct ReachedHotels {
    pub page: Page<Arc<Hotel>>,
    pub count: Option<usize>,
}

struct Edge(Arc<Hotel>);

fn cursor(hotel: &Arc<Hotel>) -> String {
    text_cursor("hotel", &hotel.id)
}

impl Fields for ReachedHotels {
    const TYPE_NAME: &'static str = "HotelConnection";

    fn write(field: &SelectionField<'_>) -> Option<Write<Self>> {
        Some(match field.name() {
            "nodes" => {
                let selection = Selection::of(field)?;
                Box::new(move |it, request, json| {
                    json.list(it.page.rows.iter().map(|hotel| &**hotel), &selection, request)
                })
            }
            "edges" => {
                let selection = Selection::of(field)?;
                Box::new(move |it, request, json| {
                    let edges: Vec<_> = it.page.rows.iter().cloned().map(Edge).collect();
                    json.list(edges.iter(), &selection, request)
                })
            }
            "pageInfo" => {
                let selection = Selection::of(field)?;
                Box::new(move |it, request, json| {
                    let info = PageInfo {
                        has_previous_page: it.page.has_previous,
                        has_next_page: it.page.has_next,
                        start_cursor: it.page.rows.first().map(cursor),
                        end_cursor: it.page.rows.last().map(cursor),
                    };
                    selection.write(&info, request, json)
                })
            }
            "totalCount" if field.arguments().ok()?.is_empty() => Box::new(|it, _, json| json.value(&it.count?)),
            _ => return None,
        })
    }
}

impl Fields for Edge {
    const TYPE_NAME: &'static str = "HotelEdge";

    fn write(field: &SelectionField<'_>) -> Option<Write<Self>> {
        Some(match field.name() {
            "cursor" => Box::new(|it, _, json| json.value(&cursor(&it.0))),
            "node" => {
                let selection = Selection::of(field)?;
                Box::new(move |it, request, json| selection.write(&*it.0, request, json))
            }
            _ => return None,
        })
    }
}
